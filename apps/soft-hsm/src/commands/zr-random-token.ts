import { buildRandomToken } from '@openkdh/tr34';
import { answer, type Command } from './command.ts';

const nonceBytes = 16;

/** ZR, an extension: a fresh nonce for the KDH, kept here until ZI uses it. Answer: RT_KRD DER (TR-34:2019, B.12). */
export const zr: Command = {
  name: 'random token of TR-34',
  kind: 'keyless',
  prepare: () => (scope) => {
    const nonce = scope.hsm.random(nonceBytes);
    scope.outstandingNonces.add(nonce);
    return answer(buildRandomToken(nonce));
  },
};
