/** Types that are inferred from declarations. Checked by the compiler alone. */
import { expectTypeOf } from 'expect-type'
import Type from 'typebox'
import { message, type Payload, type Reply } from '../../protocol/message.ts'
import type { Call, CallOf, EventOf, validateCall } from '../../protocol/scheduler.ts'
import type { ContainerId, FrameworkInfo, Offer, TaskInfo } from '../../protocol/v1/index.ts'

const Ping = message('PING', 'For this test.', Type.Object({ n: Type.Integer() }), Type.String())
const Tell = message('TELL', 'For this test.', Type.Object({ text: Type.Optional(Type.String()) }))

expectTypeOf(Ping.name).toEqualTypeOf<'PING'>()
expectTypeOf<Payload<typeof Ping>>().toEqualTypeOf<{ n: number }>()
expectTypeOf<Reply<typeof Ping>>().toEqualTypeOf<string>()
expectTypeOf<Payload<typeof Tell>>().toEqualTypeOf<{ text?: string }>()
expectTypeOf<Reply<typeof Tell>>().toEqualTypeOf<undefined>()

// A table keyed by names infers the parameter of each handler.
const calls = [Ping, Tell] as const
type Handlers = {
  [Name in (typeof calls)[number]['name']]: (
    body: Payload<Extract<(typeof calls)[number], { name: Name }>>,
  ) => void
}
export const handlers: Handlers = {
  PING: (body) => expectTypeOf(body.n).toEqualTypeOf<number>(),
  TELL: (body) => expectTypeOf(body.text).toEqualTypeOf<string | undefined>(),
}

// Calls and events are told apart by their type.
expectTypeOf<CallOf<'SUBSCRIBE'>['subscribe']['framework_info']>().toEqualTypeOf<FrameworkInfo>()
expectTypeOf<CallOf<'ACKNOWLEDGE'>['acknowledge']['uuid']>().toEqualTypeOf<Uint8Array>()
expectTypeOf<EventOf<'OFFERS'>['offers']['offers']>().toEqualTypeOf<Offer[] | undefined>()
export function narrowed(call: Call): void {
  if (call.type === 'ACCEPT') {
    const [operation] = call.accept.operations ?? []
    expectTypeOf(operation?.launch?.task_infos).toEqualTypeOf<TaskInfo[] | undefined>()
  }
}
expectTypeOf<
  Extract<ReturnType<typeof validateCall>, { ok: true }>['value']
>().toEqualTypeOf<Call>()

// Presence and names are those of Mesos.
expectTypeOf<ContainerId>().toEqualTypeOf<{ value: string; parent?: ContainerId }>()
// @ts-expect-error an offer has no `id` as plain text
export const wrongId: Offer['id'] = 'O1'
// @ts-expect-error a required field may not be left out
export const wrongTask: TaskInfo = { name: 't', task_id: { value: 't' } }
