import { Inject, Injectable } from '@nestjs/common';
import { fingerprint } from '@openkdh/pki';
import { ProtocolError } from '@openkdh/terminal-protocol';
import { acceptKrdCredential, parseRandomToken, Tr34Error } from '@openkdh/tr34/tokens';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { CONFIG, type Config } from '../config/config.ts';
import { Database, type Sql } from '../database/database.ts';
import { type AttemptState, after, allows, isFinal, type Transition, transition } from '../loads/attempt.ts';
import { applyMoves, attemptOf } from '../loads/attempt-store.ts';
import { requestAttempts } from '../loads/load-requests.ts';
import { Authorities } from '../pki/authorities.ts';
import { KdhCredential } from '../pki/kdh-credential.ts';

export interface BindingParty {
  terminalId: string;
  serial: string;
  /** Of the whitelisted TR-34 encryption certificate. */
  encryptionFingerprint: string;
}

interface OpenAttempt {
  id: string;
  state: AttemptState;
  version: number;
  terminalNonce: Buffer;
}

/** TR-34 bind and the request for the first key, as the KDH sees them. facts/tr34.md section 2. */
@Injectable()
export class Binding {
  private readonly actor: string;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly authorities: Authorities,
    private readonly credential: KdhCredential,
    private readonly database: Database,
  ) {
    this.actor = `node:${config.KDH_NODE_ID}`;
  }

  /** Judges a CT_KRD: chain, role, validity, and that it is the very certificate on the whitelist. */
  acceptCredential(token: Uint8Array, party: BindingParty): void {
    const accepted = tr34(() =>
      acceptKrdCredential(token, {
        anchors: [this.authorities.get('terminal-ca').certificate],
        // Revocation of terminals is the database's: checked at connect, at HELLO and at each load.
        revocation: { whenAbsent: 'accept' },
        at: new Date(),
      }),
    );
    if (fingerprint(accepted.token.certificate) !== party.encryptionFingerprint) {
      throw new ProtocolError('CERT_MISMATCH', 'the certificate in CT_KRD is not the one on the whitelist');
    }
  }

  /** R_KRD of an RT_KRD. */
  readNonce(token: Uint8Array): Uint8Array {
    return tr34(() => parseRandomToken(token));
  }

  /** Commits the binding; BIND is sent only after this. */
  async bind(
    party: BindingParty,
  ): Promise<{ kdhCertificateFingerprint: string; krdCertificateFingerprint: string }> {
    const prints = {
      kdhCertificateFingerprint: this.credential.current().fingerprint,
      krdCertificateFingerprint: party.encryptionFingerprint,
    };
    await this.database.transaction(async (sql) => {
      const bound = await sql.query(
        `update terminal set bound_kdh_fingerprint = $2, bound_krd_fingerprint = $3, bound_at = now()
         where id = $1 and (bound_kdh_fingerprint, bound_krd_fingerprint) is distinct from ($2, $3)
           and (bound_kdh_fingerprint is null or bound_kdh_fingerprint = $2) returning 1`,
        [party.terminalId, prints.kdhCertificateFingerprint, prints.krdCertificateFingerprint],
      );
      if (bound.length === 0) return;
      sql.commitsAs('bind.commit');
      await appendAuditEvents(sql, [
        {
          type: 'terminal.bound',
          actor: `terminal:${party.serial}`,
          terminalId: party.terminalId,
          body: prints,
        },
      ]);
    });
    return prints;
  }

  /**
   * The terminal holds no KBPK and shows the nonce for one. The attempt that was made for this nonce goes on, with the
   * same bytes; one for another nonce is dead, since the terminal will not open it, and ends. Returns an attempt that
   * can be dispatched at once.
   */
  async requestFirstKey(
    party: BindingParty,
    nonce: Uint8Array,
  ): Promise<{ queued: boolean; waiting?: string }> {
    return this.database.transaction(async (sql) => {
      const [terminal] = await sql.query<{ profileId: string; profileVersion: number; hasKbpk: boolean }>(
        `select t.profile_id as "profileId", p.version as "profileVersion",
           exists (select 1 from terminal_kbpk k where k.terminal_id = t.id and k.confirmed_at is not null) as "hasKbpk"
         from terminal t join profile p on p.id = t.profile_id where t.id = $1 for no key update of t`,
        [party.terminalId],
      );
      if (!terminal || terminal.hasKbpk) {
        // PCI PIN Annex A: a second asymmetric transport needs a reason and an approval.
        throw new ProtocolError(
          'APPROVAL_MISSING',
          'this terminal has had its first key; an officer must release another',
        );
      }
      const [open] = await sql.query<OpenAttempt>(
        `select id, state, version, terminal_nonce as "terminalNonce" from attempt
         where terminal_id = $1 and kind = 'KBPK' and outcome is null for no key update`,
        [party.terminalId],
      );
      if (open && !isFinal(open.state)) {
        if (open.terminalNonce.equals(nonce)) return { queued: false, waiting: open.id };
        await this.endReplaced(sql, open);
      }
      sql.commitsAs('first-key.request');
      await requestAttempts(
        sql,
        [
          {
            terminalId: party.terminalId,
            kind: 'KBPK',
            profileId: terminal.profileId,
            profileVersion: terminal.profileVersion,
            requestedBy: `terminal:${party.serial}`,
            terminalNonce: nonce,
          },
        ],
        { expirySeconds: this.config.KDH_LOAD_EXPIRY_SECONDS },
      );
      return { queued: true };
    });
  }

  /** By showing a new nonce the terminal says that it did not use the old one. */
  private async endReplaced(sql: Sql, open: OpenAttempt): Promise<void> {
    const steps: Transition[] = [];
    let attempt = attemptOf(open);
    for (const event of ['lose', 'terminalDoesNotKnow', 'cancel'] as const) {
      if (!allows(attempt.state, event)) continue;
      const step = transition(attempt, event);
      steps.push(step);
      attempt = after(step);
    }
    await applyMoves(sql, [
      { steps: steps as [Transition, ...Transition[]], actor: this.actor, reasonCode: 'NONCE_REPLACED' },
    ]);
  }
}

/** Runs a TR-34 check; what it refuses becomes 3003, which tells a terminal no more than that. */
function tr34<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof Tr34Error) throw new ProtocolError('BAD_TOKEN', error.code);
    throw error;
  }
}
