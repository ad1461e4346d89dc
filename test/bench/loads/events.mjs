const uuid = (n) => `01a20cf5-e63d-702b-a0f6-${n.toString(16).padStart(12, '0')}`;
const hex = (n, digits) => n.toString(16).toUpperCase().padStart(digits, '0');

/**
 * What a load of two keys writes, beginning with its request: six events, as a kdh-server has them. The loads are of 1,000
 * terminals in turn. `attempt`: from 1.
 */
export function eventsOfLoad(attempt) {
  const ksns = [`A1B2C3D4${hex(attempt, 8)}00000000`, `2586DB90DA${hex(BigInt(attempt) << 21n, 10)}`];
  const keys = ksns.map((ksn, n) => ({ slot: `SLOT-${n}`, ksn, kcv: '012345', sha256: hex(attempt, 64) }));
  const results = keys.map(({ slot, ksn, kcv }) => ({ slot, code: 0, kcv, ksn }));
  const number = Math.ceil(attempt / 1_000);
  const terminal = attempt % 1_000;
  const [person, node, device] = ['operator:operator', 'node:kdh-1', `terminal:SIM-${terminal}`];
  const moves = [
    [person, 'requested', { kind: 'KEYS', number, profile: uuid(7), rule: 'profile-requires-no-approval' }],
    [node, 'ksn_reserved', { event: 'reserveKsn', from: 'APPROVED', version: 3, ksns }],
    [node, 'deriving', { event: 'derive', from: 'KSN_RESERVED', version: 4, hsm: 'soft-hsm 0000-0001' }],
    [node, 'dispatchable', { event: 'release', from: 'DERIVING', through: ['WRAPPED'], version: 6, keys }],
    [node, 'sent', { event: 'send', from: 'DISPATCHABLE', version: 7, epoch: 1 }],
    [
      device,
      'confirmed',
      { event: 'match', from: 'SENT', through: ['RESULT_RECEIVED'], version: 9, epoch: 1, results },
    ],
  ];
  return moves.map(([actor, state, body]) => ({
    type: `attempt.${state}`,
    actor,
    terminal: uuid(terminal),
    attempt: uuid(10_000 + attempt),
    body,
  }));
}
