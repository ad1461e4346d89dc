// The terminals of the bound: they unwrap, derive their first transaction keys, sign and answer, as those of terminal-sim
// do, but check no frame and keep nothing. Started by bound.mjs.
import { createPrivateKey, sign } from 'node:crypto';
import { kcvAes, kcvTdes, wipe } from '@openkdh/block-ciphers';
import { AesDukptRegisters, TdesDukptRegisters } from '@openkdh/dukpt';
import { kbpk } from '@openkdh/tr31';
import WebSocket from 'ws';
import { terminalRecords } from './terminals.mjs';

const kinds = {
  PIN: { kbpk: 'KBPK-AES', checkValue: kcvAes, Registers: AesDukptRegisters },
  DATA: { kbpk: 'KBPK-TDES', checkValue: kcvTdes, Registers: TdesDukptRegisters },
};

function openTerminal({ identity, slots }) {
  const keys = Object.fromEntries(
    Object.entries(kinds).map(([slot, kind]) => [slot, kbpk(slots[kind.kbpk].key)]),
  );
  const signingKey = createPrivateKey({ key: Buffer.from(identity.signing), type: 'pkcs8', format: 'der' });
  const open = ({ slot, tr31, ksn }) => {
    const { checkValue, Registers } = kinds[slot];
    const { key } = keys[slot].unwrap(tr31);
    Registers.load(key, Buffer.from(ksn, 'hex')).wipe();
    const kcv = Buffer.from(checkValue(key)).toString('hex').toUpperCase();
    wipe(key);
    return { slot, kcv };
  };
  return ({ id, plan }) => {
    const results = plan.map(open);
    const signature = sign('sha256', Buffer.from(id + JSON.stringify(results)), signingKey).toString(
      'base64',
    );
    return JSON.stringify({ id, results, signature });
  };
}

function tlsOf({ identity, enrolment }) {
  const key = createPrivateKey({ key: Buffer.from(identity.tls), type: 'pkcs8', format: 'der' });
  return {
    key: key.export({ type: 'pkcs8', format: 'pem' }),
    cert: enrolment.certificates.tls + enrolment.chain,
  };
}

process.once('message', async ({ folder, serials, port, serverCa }) => {
  const records = await terminalRecords(folder);
  for (const serial of serials) {
    const record = records.get(serial);
    const answer = openTerminal(record);
    const socket = new WebSocket(`wss://127.0.0.1:${port}`, {
      ...tlsOf(record),
      ca: serverCa,
      perMessageDeflate: false,
    });
    socket.on('message', (data) => {
      const message = JSON.parse(String(data));
      if (message.plan) socket.send(answer(message));
    });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  }
  process.send({ connected: serials.length });
});
process.once('disconnect', () => process.exit());
