/** Fault domains as text: `REGION/ZONE`. Spec: allocator.md §5, "capable". */
import { err, ok } from '../../protocol/result.ts'
import type { DomainInfo } from '../../protocol/v1/agent.ts'
import { type Checked, fault } from './fault.ts'

/**
 * Reads a fault domain.
 * @example parseFaultDomain('eu/a') // region `eu`, zone `a`
 */
export function parseFaultDomain(text: string): Checked<DomainInfo> {
  const [region = '', zone = '', ...more] = text.split('/').map((name) => name.trim())
  if (region === '' || zone === '' || more.length > 0) {
    return err(fault('PARSE', '', `'${text}' must be REGION/ZONE`))
  }
  return ok({ fault_domain: { region: { name: region }, zone: { name: zone } } })
}

/** `eu/a`; empty for none. */
export function formatFaultDomain(domain: DomainInfo | undefined): string {
  const place = domain?.fault_domain
  return place === undefined ? '' : `${place.region.name}/${place.zone.name}`
}
