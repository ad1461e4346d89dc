/**
 * Error codes of the payShield answers that this HSM gives, with their meaning in the public code lists
 * (ut-codec-payshield `errors/list.json` and PayShieldPressureTest, which agree). "Command specific" codes are
 * explained at the command that uses them.
 */
export const answerCodes = {
  '00': 'no error',
  '01': 'verification failed, or advice that an imported key had wrong parity',
  '02': 'key length wrong for the algorithm, or command specific',
  '03': 'command specific',
  '04': 'key type code, or command specific',
  '05': 'key length flag, or command specific',
  '06': 'command specific',
  '07': 'command specific',
  '08': 'command specific',
  '09': 'command specific',
  '10': 'source key parity',
  '11': 'destination key is weak, degenerate or all zeros',
  '13': 'invalid LMK identifier',
  '15': 'malformed input',
  '17': 'not authorised, or forbidden by a security setting',
  '20': 'PIN block does not hold valid values',
  '22': 'account number',
  '23': 'PIN block format',
  '26': 'key scheme',
  '27': 'key length not compatible',
  '28': 'key type',
  '33': 'key change storage holds no LMK',
  '39': 'fraud detection',
  '41': 'internal error',
  '43': 'RSA key generation failed',
  '47': 'algorithm not licensed',
  '48': 'stronger LMK needed',
  '49': 'private key error',
  '68': 'command disabled',
  '74': 'digest info',
  '75': 'single-length key posing as a double- or triple-length key',
  '76': 'length of the public key or of the RSA data',
  '78': 'private key length',
  '80': 'data length',
  A1: 'LMK schemes differ',
  A3: 'key block LMK identifiers differ',
  A4: 'key block authentication failed',
  A5: 'key length in the key block',
  A6: 'key usage',
  A7: 'algorithm',
  A8: 'mode of use',
  A9: 'key version number',
  AA: 'exportability',
  AB: 'number of optional blocks',
  AC: 'optional block',
  B2: 'other key block error',
  B4: 'optional block data',
  B5: 'components do not match',
  BB: 'wrapping key is weaker than the key',
  BC: 'repeated optional block',
  BE: 'key block header',
  D2: 'elliptic curve',
  D3: 'key encoding',
  E0: 'command version',
} as const satisfies Record<string, string>;

export type AnswerCode = keyof typeof answerCodes;

/** A command that is not carried out: its answer is `code` and nothing else. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: Exclude<AnswerCode, '00'>;

  /** `reason` goes to the log of this process, never to the host; it must not name key bytes. */
  constructor(code: Exclude<AnswerCode, '00'>, reason: string) {
    super(reason);
    this.code = code;
  }
}
