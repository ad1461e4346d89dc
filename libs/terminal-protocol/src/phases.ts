/**
 * Where a session stands. Both ends walk the same way, each when it sends or receives the message on the arrow:
 *
 *     connected ─HELLO→ greeted ─WELCOME→ unbound ─BIND_REQ→ requested ─BIND_CHALLENGE→ challenged
 *                          │                                                               │ RANDOM
 *                          └──── WELCOME, when HELLO said so ────→ bound ←────BIND──── answered
 *
 * BIND_REQ begins the binding anew from every phase before `bound`. `over`: a fatal ERROR or a KICK went by.
 */
export type Phase =
  | 'connected'
  | 'greeted'
  | 'unbound'
  | 'requested'
  | 'challenged'
  | 'answered'
  | 'bound'
  | 'over';

/** Welcomed, not yet bound. */
export const unboundPhases: readonly Phase[] = ['unbound', 'requested', 'challenged', 'answered'];
/** From WELCOME to the end. */
export const welcomedPhases: readonly Phase[] = [...unboundPhases, 'bound'];
export const allPhases: readonly Phase[] = ['connected', 'greeted', ...welcomedPhases, 'over'];
