import { Global, Inject, Logger, Module, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.ts';
import { DERIVE_QUEUE, type DeriveQueue, openDeriveQueue } from './queue.ts';

@Global()
@Module({
  providers: [
    {
      provide: DERIVE_QUEUE,
      inject: [CONFIG],
      useFactory: (config: Config) => {
        const logger = new Logger('Queue');
        return openDeriveQueue(config, (error) => logger.error({ event: 'queue.error', msg: error.message }));
      },
    },
  ],
  exports: [DERIVE_QUEUE],
})
export class QueueModule implements OnApplicationShutdown {
  constructor(@Inject(DERIVE_QUEUE) private readonly queue: DeriveQueue) {}

  async onApplicationShutdown(): Promise<void> {
    await this.queue.close();
  }
}
