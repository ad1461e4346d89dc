import { Inject, Injectable } from '@nestjs/common';
import { fingerprint } from '@openkdh/pki';
import { ProtocolError } from '@openkdh/terminal-protocol';
import { acceptKrdCredential, parseRandomToken, Tr34Error } from '@openkdh/tr34/tokens';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { CONFIG, type Config } from '../config/config.ts';
import { Database, type Sql } from '../database/database.ts';
import { GroupCommit } from '../database/group-commit.ts';
import { type AttemptState, after, allows, type Transition, transition } from '../loads/attempt.ts';
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
  terminalId: string;
  terminalNonce: Buffer;
}

interface FirstKeyRequest {
  party: BindingParty;
  nonce: Uint8Array;
}

/** `queued`: a worker has to make the key; `waiting`: an attempt that can be dispatched at once. */
export type FirstKeyAnswer = { queued: boolean; waiting?: string };

/** TR-34 bind and the request for the first key, as the KDH sees them. */
@Injectable()
export class Binding {
  private readonly actor: string;
  private readonly binds = new GroupCommit<BindingParty, undefined>((parties) => this.commitBinds(parties));
  private readonly firstKeys = new GroupCommit<FirstKeyRequest, FirstKeyAnswer | 'refused'>((requests) =>
    this.commitFirstKeys(requests),
  );

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
    await this.binds.add(party);
    return this.printsOf(party);
  }

  /**
   * The terminal holds no KBPK and shows the nonce for one. The attempt that was made for this nonce goes on, with the
   * same bytes; one for another nonce is dead, since the terminal will not open it, and ends.
   */
  async requestFirstKey(party: BindingParty, nonce: Uint8Array): Promise<FirstKeyAnswer> {
    const answer = await this.firstKeys.add({ party, nonce });
    if (answer === 'refused') {
      // PCI PIN Annex A: a second asymmetric transport needs a reason and an approval.
      throw new ProtocolError(
        'APPROVAL_MISSING',
        'this terminal has had its first key; an officer must release another',
      );
    }
    return answer;
  }

  private printsOf(party: BindingParty) {
    return {
      kdhCertificateFingerprint: this.credential.current().fingerprint,
      krdCertificateFingerprint: party.encryptionFingerprint,
    };
  }

  private commitBinds(parties: BindingParty[]): Promise<undefined[]> {
    return this.database.transaction(async (sql) => {
      const bound = await sql.query<{ id: string }>(
        `with held as materialized (
           select id from terminal where id = any($1::uuid[]) order by id for no key update
         )
         update terminal t set bound_kdh_fingerprint = $3, bound_krd_fingerprint = p.krd, bound_at = now()
         from unnest($1::uuid[], $2::text[]) as p(id, krd)
         where t.id = p.id and (select count(*) from held) > 0
           and (t.bound_kdh_fingerprint, t.bound_krd_fingerprint) is distinct from ($3, p.krd)
           and (t.bound_kdh_fingerprint is null or t.bound_kdh_fingerprint = $3) returning t.id`,
        [
          parties.map(({ terminalId }) => terminalId),
          parties.map(({ encryptionFingerprint }) => encryptionFingerprint),
          this.credential.current().fingerprint,
        ],
        'bind-terminals',
      );
      if (bound.length > 0) sql.commitsAs('bind.commit');
      const changed = new Set(bound.map(({ id }) => id));
      await appendAuditEvents(
        sql,
        parties
          .filter(({ terminalId }) => changed.has(terminalId))
          .map((party) => ({
            type: 'terminal.bound',
            actor: `terminal:${party.serial}`,
            terminalId: party.terminalId,
            body: this.printsOf(party),
          })),
      );
      return parties.map(() => undefined);
    });
  }

  private commitFirstKeys(requests: FirstKeyRequest[]): Promise<(FirstKeyAnswer | 'refused')[]> {
    return this.database.transaction(async (sql) => {
      const ids = requests.map(({ party }) => party.terminalId);
      const terminals = await sql.query<{ id: string; profileId: string; profileVersion: number }>(
        `select t.id, t.profile_id as "profileId", p.version as "profileVersion"
         from terminal t join profile p on p.id = t.profile_id
         where t.id = any($1::uuid[])
           and not exists (
             select 1 from attempt a where a.terminal_id = t.id and a.kind = 'KBPK' and a.outcome = 'CONFIRMED')
         order by t.id for no key update of t`,
        [ids],
        'first-key-terminals',
      );
      const waitingForKey = new Map(terminals.map((terminal) => [terminal.id, terminal]));
      const open = new Map(
        (await this.lockOpenFirstKeys(sql, ids)).map((attempt) => [attempt.terminalId, attempt]),
      );
      const isSame = ({ party, nonce }: FirstKeyRequest) =>
        open.get(party.terminalId)?.terminalNonce.equals(nonce) === true;
      const news = requests.filter(
        (request) => waitingForKey.has(request.party.terminalId) && !isSame(request),
      );
      await this.endReplaced(
        sql,
        news.flatMap(({ party }) => open.get(party.terminalId) ?? []),
      );
      if (news.length > 0) sql.commitsAs('first-key.request');
      await requestAttempts(
        sql,
        news.map(({ party, nonce }) => {
          const { profileId, profileVersion } = waitingForKey.get(party.terminalId)!;
          return {
            terminalId: party.terminalId,
            kind: 'KBPK',
            profileId,
            profileVersion,
            requestedBy: `terminal:${party.serial}`,
            terminalNonce: nonce,
          };
        }),
        { expirySeconds: this.config.KDH_LOAD_EXPIRY_SECONDS },
      );
      return requests.map((request) => {
        if (!waitingForKey.has(request.party.terminalId)) return 'refused';
        return isSame(request)
          ? { queued: false, waiting: open.get(request.party.terminalId)!.id }
          : { queued: true };
      });
    });
  }

  private lockOpenFirstKeys(sql: Sql, terminalIds: string[]): Promise<OpenAttempt[]> {
    return sql.query<OpenAttempt>(
      `select id, state, version, terminal_id as "terminalId", terminal_nonce as "terminalNonce" from attempt
       where terminal_id = any($1::uuid[]) and kind = 'KBPK' and outcome is null order by id for no key update`,
      [terminalIds],
      'open-first-keys',
    );
  }

  /** By showing a new nonce the terminal says that it did not use the old one. */
  private async endReplaced(sql: Sql, attempts: OpenAttempt[]): Promise<void> {
    await applyMoves(
      sql,
      attempts.map((open) => ({
        steps: stepsToCancel(open),
        actor: this.actor,
        reasonCode: 'NONCE_REPLACED',
      })),
    );
  }
}

function stepsToCancel(open: OpenAttempt): [Transition, ...Transition[]] {
  const steps: Transition[] = [];
  let attempt = attemptOf(open);
  for (const event of ['lose', 'terminalDoesNotKnow', 'cancel'] as const) {
    if (!allows(attempt.state, event)) continue;
    const step = transition(attempt, event);
    steps.push(step);
    attempt = after(step);
  }
  return steps as [Transition, ...Transition[]];
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
