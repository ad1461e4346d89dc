import { Module } from '@nestjs/common';
import { Authorities } from './authorities.ts';
import { GatewayCertificate } from './gateway-certificate.ts';
import { KdhCredential } from './kdh-credential.ts';

@Module({
  providers: [Authorities, KdhCredential, GatewayCertificate],
  exports: [Authorities, KdhCredential, GatewayCertificate],
})
export class PkiModule {}
