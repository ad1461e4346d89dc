import { localDecryptor, openKeyToken } from '@openkdh/tr34';
import { defineCommand } from '../command.ts';
import { takeHex } from '../hex.ts';
import { der, ders, secretPem } from '../members.ts';
import { rows } from '../text/rows.ts';
import { headerText } from './header.ts';
import { outstandingNonces, trustMembers, trustOf } from './trust.ts';

/** Opens a key token with the private key of its recipient. */
export const open = defineCommand({
  name: 'tr34 open',
  summary: 'Verifies a key token (KT_KDH) and shows the key in it, in clear.',
  members: {
    token: der('the token'),
    recipientKey: secretPem('private key of the KRD'),
    recipientCertificate: der('certificate of the KRD'),
    senderCertificate: ders('certificate of the KDH, then those of CAs up to an anchor'),
    ...trustMembers,
  },
  positional: 'token',
  run: async ({ token, recipientKey, recipientCertificate, senderCertificate, nonce, dialect, ...trust }) => {
    const [kdhCertificate, ...intermediates] = senderCertificate;
    const { key, header, revocationChecked } = await openKeyToken(
      token,
      { certificate: recipientCertificate, kdhCertificate, trust: trustOf(trust, intermediates), dialect },
      localDecryptor(recipientKey),
      nonce ? { nonces: outstandingNonces(nonce) } : 'unchecked',
    );
    return { key: takeHex(key), header, revocationChecked };
  },
  text: (answer, { nonce }) =>
    rows({ ...answer, nonceChecked: nonce !== undefined }) + headerText(answer.header),
});
