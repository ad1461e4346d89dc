import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.ts';
import { recordedSettings } from '../config/recorded-settings.ts';
import { Database } from '../database/database.ts';
import { appendAuditEvents } from './audit-event.ts';

/** Records that this node starts, with what settings, and that it is stopped. One that cannot record its start does not. */
@Injectable()
export class NodeHistory implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('NodeHistory');

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.record('node.started', {
      node: process.version,
      settings: recordedSettings(this.config),
    });
  }

  async beforeApplicationShutdown(signal?: string): Promise<void> {
    try {
      await this.record('node.stopped', { ...(signal && { signal }) });
    } catch (error) {
      this.logger.error({ event: 'audit.unavailable', msg: (error as Error).message });
    }
  }

  private record(type: string, body: Record<string, unknown>): Promise<void> {
    return appendAuditEvents(this.database, [{ type, actor: `node:${this.config.KDH_NODE_ID}`, body }]);
  }
}
