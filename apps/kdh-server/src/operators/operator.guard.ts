import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { Problem } from '../http/problem.ts';
import { type Operator, Operators } from './operators.ts';
import { SignIns } from './sign-ins.ts';

const OPEN = 'openkdh:open';

/** Marks a route that needs no token: health, and nothing else. */
export const Open = () => SetMetadata(OPEN, true);

const FOR_AUDITORS = 'openkdh:for-auditors';

/** Marks what an auditor may use as well: reading the history. Everything else is for operators alone. */
export const ForAuditors = () => SetMetadata(FOR_AUDITORS, true);

type AuthenticatedRequest = Request & { operator?: Operator };

/** Every route needs an operator's token unless it is marked {@link Open}: deny by default. */
@Injectable()
export class OperatorGuard implements CanActivate {
  constructor(
    private readonly operators: Operators,
    private readonly signIns: SignIns,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true; // terminals are admitted by their certificates
    if (this.reflector.getAllAndOverride<boolean>(OPEN, [context.getHandler(), context.getClass()]))
      return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const token = /^Bearer ([A-Za-z0-9_-]{20,100})$/.exec(request.headers.authorization ?? '')?.[1];
    const operator = token ? await this.operators.findByToken(token) : undefined;
    if (!operator) {
      await this.operators.recordRefusal('TOKEN_REQUIRED', request);
      throw new Problem(401, 'TOKEN_REQUIRED', 'send an operator token: Authorization: Bearer <token>');
    }
    await this.signIns.note(operator, request.ip ?? '');
    const targets = [context.getHandler(), context.getClass()];
    if (operator.role === 'auditor' && !this.reflector.getAllAndOverride<boolean>(FOR_AUDITORS, targets)) {
      await this.operators.recordRefusal('ROLE_FORBIDDEN', request, operator);
      throw new Problem(403, 'ROLE_FORBIDDEN', 'an auditor reads the history and changes nothing');
    }
    request.operator = operator;
    return true;
  }
}

/** The operator who sent the request. */
export const CurrentOperator = createParamDecorator(
  (_: unknown, context: ExecutionContext): Operator =>
    context.switchToHttp().getRequest<AuthenticatedRequest>().operator as Operator,
);
