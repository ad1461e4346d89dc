import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Hsm } from '@openkdh/hsm-client';
import { CONFIG } from '../config/config.ts';
import { HSM, openHsm } from './hsm.ts';

@Global()
@Module({ providers: [{ provide: HSM, inject: [CONFIG], useFactory: openHsm }], exports: [HSM] })
export class HsmModule implements OnApplicationShutdown {
  constructor(@Inject(HSM) private readonly hsm: Hsm) {}

  async onApplicationShutdown(): Promise<void> {
    await this.hsm.close();
  }
}
