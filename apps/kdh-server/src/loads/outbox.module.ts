import { Module } from '@nestjs/common';
import { OutboxRelay } from './outbox-relay.ts';

/** In every role that requests attempts or queues them anew: what a node writes, it carries to the queue itself. */
@Module({ providers: [OutboxRelay], exports: [OutboxRelay] })
export class OutboxModule {}
