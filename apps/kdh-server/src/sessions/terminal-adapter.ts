import type { WebSocketAdapter, WsMessageHandler } from '@nestjs/common';
import type { Received, TerminalMessage } from '@openkdh/terminal-protocol';
import type { TerminalConnection } from './connection.ts';
import type { TerminalListener } from './terminal-listener.ts';

type Handler = (message: Received<TerminalMessage>) => Promise<unknown>;

/**
 * Puts Nest's gateways on our own listener. Nest's WsAdapter would run the messages of one terminal at once, drop bad
 * JSON and unknown types in silence, and cut connections at shutdown; here each
 * connection hands its frames over one by one and answers every one of them.
 */
export class TerminalAdapter implements WebSocketAdapter<TerminalListener, TerminalConnection> {
  constructor(private readonly listener: TerminalListener) {}

  create(): TerminalListener {
    return this.listener;
  }

  bindClientConnect(listener: TerminalListener, callback: (connection: TerminalConnection) => void): void {
    listener.onConnection(callback);
  }

  bindClientDisconnect(connection: TerminalConnection, callback: () => void): void {
    connection.onClose(callback);
  }

  bindMessageHandlers(connection: TerminalConnection, handlers: WsMessageHandler[]): void {
    const byType = new Map(
      handlers.map((handler) => [handler.message as string, handler.callback as Handler]),
    );
    connection.onMessage(async (message) => {
      await byType.get(message.t)?.(message); // the session has refused every type that is not of kdh.v1
    });
  }

  /** The listener closes itself before the application shuts down, so that terminals are told. */
  close(): void {}
  dispose(): void {}
}
