const uuid = (n) => `01a20cf5-e63d-702b-a0f6-${n.toString(16).padStart(12, '0')}`;
const hex = (n, digits) => n.toString(16).toUpperCase().padStart(digits, '0');

/**
 * What a load of two keys writes, beginning with its request: nine events, entries of 500 bytes, as a kdh-server has them.
 * The loads are of 1,000 terminals in turn. `attempt`: from 1.
 */
export function eventsOfLoad(attempt) {
  const ksns = [`A1B2C3D4${hex(attempt, 8)}00000000`, `2586DB90DA${hex(BigInt(attempt) << 21n, 10)}`];
  const keys = ksns.map((ksn, n) => ({ slot: `SLOT-${n}`, ksn, kcv: '012345', sha256: hex(attempt, 64) }));
  const plan = { planHash: hex(attempt, 64), profile: uuid(7), profileVersion: 1 };
  const steps = [
    ['requested', { kind: 'KEYS', number: Math.ceil(attempt / 1_000), ...plan }],
    ['approved', { event: 'approve', rule: 'NO_APPROVAL_ASKED', ...plan }],
    ['ksn_reserved', { event: 'reserve', ksns, ...plan }],
    ['deriving', { event: 'derive', hsm: 'soft-hsm 0000-0001', ...plan }],
    ['wrapped', { event: 'wrap', headers: ['D0144B1AN00E0000', 'B0128B1TN00E0000'], ...plan }],
    ['dispatchable', { event: 'release', keys }],
    ['sent', { event: 'send', epoch: attempt, node: 'kdh-1', ...plan }],
    ['result_received', { event: 'result', sha256: hex(attempt, 64), ...plan }],
    ['confirmed', { event: 'match', ...plan }],
  ];
  return steps.map(([state, body], n) => ({
    type: `attempt.${state}`,
    actor: n === 0 ? 'operator:operator' : 'node:kdh-1',
    terminal: uuid(attempt % 1_000),
    attempt: uuid(10_000 + attempt),
    body: n === 0 ? body : { ...body, from: steps[n - 1][0].toUpperCase(), version: n + 1 },
  }));
}
