/** Maintenance of machines. Spec: operator-api.md, Appendix F.3. */
import Type, { type Static } from 'typebox'
import { named } from '../schema.ts'
import { FrameworkId, MachineId, TimeInfo, Unavailability } from './ids.ts'

/** What tells a machine from others: its host name, in whatever case. */
export function machineKey({ hostname = '' }: MachineId): string {
  return hostname.toLowerCase()
}

const machineInfo = Type.Object({
  id: MachineId,
  /** DRAINING: it is in the schedule. DOWN: its maintenance has begun. */
  mode: Type.Enum(['UP', 'DRAINING', 'DOWN']),
  unavailability: Type.Optional(Unavailability),
})
export interface MachineInfo extends Static<typeof machineInfo> {}
export const MachineInfo = named<MachineInfo>('MachineInfo', machineInfo)

const window = Type.Object({ machine_ids: Type.Array(MachineId), unavailability: Unavailability })
/** Machines that are to be maintained at one time. */
export interface MaintenanceWindow extends Static<typeof window> {}
export const MaintenanceWindow = named<MaintenanceWindow>('maintenance.Window', window)

const schedule = Type.Object({ windows: Type.Optional(Type.Array(MaintenanceWindow)) })
export interface MaintenanceSchedule extends Static<typeof schedule> {}
export const MaintenanceSchedule = named<MaintenanceSchedule>('maintenance.Schedule', schedule)

const inverseOfferStatus = Type.Object({
  status: Type.Enum(['UNKNOWN', 'ACCEPT', 'DECLINE']),
  framework_id: FrameworkId,
  timestamp: TimeInfo,
})
/** What a framework last said to giving an agent back. */
export interface InverseOfferStatus extends Static<typeof inverseOfferStatus> {}
export const InverseOfferStatus = named<InverseOfferStatus>(
  'allocator.InverseOfferStatus',
  inverseOfferStatus,
)

const clusterStatus = Type.Object({
  draining_machines: Type.Optional(
    Type.Array(
      Type.Object({ id: MachineId, statuses: Type.Optional(Type.Array(InverseOfferStatus)) }),
    ),
  ),
  down_machines: Type.Optional(Type.Array(MachineId)),
})
/** Which machines are, or are about to be, maintained. */
export interface ClusterStatus extends Static<typeof clusterStatus> {}
export const ClusterStatus = named<ClusterStatus>('maintenance.ClusterStatus', clusterStatus)
