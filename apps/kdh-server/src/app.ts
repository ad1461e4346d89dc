import { readFileSync } from 'node:fs';
import type { LoggerService, NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module.ts';
import type { Config } from './config/config.ts';
import { serveApiDocs } from './http/openapi.ts';
import { TerminalAdapter } from './sessions/terminal-adapter.ts';
import { TerminalListener } from './sessions/terminal-listener.ts';

/** The whole server, not yet listening. */
export async function createApp(config: Config, logger: LoggerService): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.forRoot(config), {
    logger,
    abortOnError: false,
    ...httpsOf(config),
  });
  app.disable('x-powered-by');
  app.useBodyParser('json', { limit: '256kb' });
  if (config.KDH_ROLES.includes('gateway')) {
    app.useWebSocketAdapter(new TerminalAdapter(app.get(TerminalListener)));
  }
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true }); // a clean stop is exit code 0
  serveApiDocs(app);
  return app;
}

function httpsOf({ KDH_HTTP_TLS_CERT: cert, KDH_HTTP_TLS_KEY: key }: Config): NestApplicationOptions {
  if (!cert || !key) return {};
  return { httpsOptions: { cert: readFileSync(cert), key: readFileSync(key) } };
}
