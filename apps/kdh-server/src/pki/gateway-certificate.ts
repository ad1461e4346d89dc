import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { certificatePem, createTlsKey, issueCertificate, readCertificate } from '@openkdh/pki';
import { Gauge } from 'prom-client';
import { CONFIG, type Config } from '../config/config.ts';
import { registry } from '../metrics/registry.ts';
import { Authorities } from './authorities.ts';

const RENEW_BEFORE_MILLISECONDS = 30 * 86_400_000;

const notAfter = new Gauge({
  name: 'kdh_node_certificate_not_after_timestamp_seconds',
  help: 'End of validity of a certificate that this node alone has, Unix time',
  labelNames: ['certificate'],
  registers: [registry],
});

export interface TlsCredential {
  /** PKCS#8 PEM. */
  key: string;
  /** PEM: the certificate and the KDH CA. */
  cert: string;
}

/**
 * The TLS certificate of this node's terminal listener, issued by the KDH CA; its private key is this node's own and
 * stays in its state folder. TLS keys are not payment keys: security is in the payload (docs/design.md section 6).
 */
@Injectable()
export class GatewayCertificate {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly authorities: Authorities,
  ) {}

  async load(): Promise<TlsCredential> {
    const credential = await this.keptOrNew();
    notAfter.set({ certificate: 'gateway-tls' }, readCertificate(credential.cert).notAfter.getTime() / 1_000);
    return credential;
  }

  private async keptOrNew(): Promise<TlsCredential> {
    const names = this.config.KDH_TERMINAL_NAMES.split(',').map((name) => name.trim());
    const file = join(this.config.KDH_STATE_DIR, 'gateway-tls.json');
    const kept = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as KeptCredential) : undefined;
    if (kept && this.isGood(kept, names)) return kept;
    const { privateKey, publicKey } = createTlsKey();
    const certificate = await issueCertificate('gateway-tls', {
      issuer: this.authorities.issuer('kdh-ca'),
      publicKey,
      commonName: names[0] as string,
      hosts: names,
      notBefore: new Date(Date.now() - 60_000),
    });
    const made: KeptCredential = {
      key: privateKey,
      cert: certificatePem(certificate) + certificatePem(this.authorities.get('kdh-ca').certificate),
      names,
    };
    mkdirSync(this.config.KDH_STATE_DIR, { recursive: true, mode: 0o700 });
    writeFileSync(`${file}.new`, JSON.stringify(made), { mode: 0o600 });
    renameSync(`${file}.new`, file);
    return made;
  }

  /** Kept while it names what it must, comes from the present KDH CA and is not about to expire. */
  private isGood(kept: KeptCredential, names: string[]): boolean {
    const ca = certificatePem(this.authorities.get('kdh-ca').certificate);
    return (
      kept.names.join() === names.join() &&
      kept.cert.endsWith(ca) &&
      readCertificate(kept.cert).notAfter.getTime() - Date.now() > RENEW_BEFORE_MILLISECONDS
    );
  }
}

interface KeptCredential extends TlsCredential {
  names: string[];
}
