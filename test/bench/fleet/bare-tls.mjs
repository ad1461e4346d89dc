// The bare TLS server and its clients, each a process: the handshakes that this machine can do with the same certificates.
// Started by fleet.mjs, which talks to them over IPC: `server` or `clients` is the argument.
import { createPrivateKey } from 'node:crypto';
import { connect, createServer } from 'node:tls';
import { createLocalCa } from '@openkdh/pki';
import { terminalRecords } from '../loads/terminals.mjs';

/** As terminal-sim has it. */
const handshakesAtATime = 64;

const roles = {
  async server({ clientCa }) {
    const ca = await createLocalCa({ commonName: 'bare TLS', notBefore: new Date() });
    const { certificate, privateKey } = await ca.issueServer({ commonName: 'bare', hosts: ['127.0.0.1'] });
    const server = createServer({
      cert: certificate,
      key: privateKey,
      ca: clientCa,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    });
    const sockets = [];
    server.on('secureConnection', (socket) => sockets.push(socket.on('error', () => {})));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    process.send({ port: server.address().port, serverCa: ca.certificate });
  },

  async clients({ folder, serials, port, serverCa }) {
    const records = await terminalRecords(folder);
    const waiting = serials.values();
    const sockets = [];
    const connectNext = async () => {
      for (const serial of waiting) {
        const { identity, enrolment } = records.get(serial);
        const key = createPrivateKey({ key: Buffer.from(identity.tls), type: 'pkcs8', format: 'der' });
        const socket = connect({
          port,
          host: '127.0.0.1',
          ca: serverCa,
          cert: enrolment.certificates.tls + enrolment.chain,
          key: key.export({ type: 'pkcs8', format: 'pem' }),
          minVersion: 'TLSv1.3',
        });
        sockets.push(socket);
        // A session ticket comes only after the server has the client's certificate, and found it good.
        await new Promise((resolve, reject) => socket.once('session', resolve).once('error', reject));
      }
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: handshakesAtATime }, connectNext));
    process.send({ seconds: (performance.now() - start) / 1000 });
  },
};

process.once('message', (settings) => roles[process.argv[2]](settings));
process.once('disconnect', () => process.exit());
