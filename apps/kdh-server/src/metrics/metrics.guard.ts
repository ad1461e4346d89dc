import { createHash, timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { CONFIG, type Config } from '../config/config.ts';
import { Problem } from '../http/problem.ts';

/**
 * A monitoring system need not hold the token of somebody who can revoke terminals: `KDH_METRICS_TOKEN` opens the metrics
 * and nothing else.
 */
@Injectable()
export class MetricsGuard implements CanActivate {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  canActivate(context: ExecutionContext): boolean {
    const { authorization = '' } = context.switchToHttp().getRequest<Request>().headers;
    const expected = this.config.KDH_METRICS_TOKEN;
    if (expected !== undefined && timingSafeEqual(sha256(authorization), sha256(`Bearer ${expected}`)))
      return true;
    throw new Problem(401, 'TOKEN_REQUIRED', 'send KDH_METRICS_TOKEN: Authorization: Bearer <token>');
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
