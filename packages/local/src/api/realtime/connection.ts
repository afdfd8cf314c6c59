import type { WebSocket } from 'ws';
import type { Caller } from '../tokens.ts';
import { type Channel, joinChannel, reply, type Services, TOPIC_PREFIX } from './channel.ts';
import { decode, type Frame, type Message, type Version } from './frame.ts';
import { createRate } from './limits.ts';

/** One client. */
export interface Connection {
  /** Closes it when nothing came for too long. */
  closeIfSilent(): void;
  /** Ends its channels in a way that lets the client join them again. */
  interrupt(): void;
  close(code: number, reason: string): void;
}

/** Close codes of RFC 6455. */
export const CLOSE = {
  goingAway: 1001,
  invalidData: 1007,
  policyViolation: 1008,
  internalError: 1011,
} as const;

// What a client that does not answer a close frame is given.
const CLOSE_MILLISECONDS = 2_000;

/** Serves an open WebSocket until it closes. */
export function serveConnection(
  services: Services,
  socket: WebSocket,
  version: Version,
  caller: Caller,
  onClosed: () => void,
): Connection {
  const { limits } = services;
  const channels = new Map<string, Channel>();
  const tooManyMessages = createRate(limits.messagesPerSecond);
  const outlet = { version, caller, send };
  let heardAt = performance.now();
  let waiting: Message[] = [];
  let busy = false;
  let closed = false;

  function send({ data, binary }: Frame): void {
    if (socket.readyState !== socket.OPEN) return;
    socket.send(data, { binary });
    if (socket.bufferedAmount <= limits.bufferedBytes) return;
    services.log('a client does not read what it is sent: disconnected');
    // It would not read a close frame either.
    socket.terminate();
  }

  function close(code: number, reason: string): void {
    socket.close(code, reason);
    setTimeout(() => socket.terminate(), CLOSE_MILLISECONDS).unref();
  }

  function handle(message: Message): Promise<void> | undefined {
    const { topic, event } = message;
    if (event === 'phx_join') return join(message);
    const channel = channels.get(topic);
    if (channel) {
      // Another number is that of an earlier join.
      const isMeant = message.joinRef === null || message.joinRef === channel.joinRef;
      return isMeant ? channel.receive(message) : undefined;
    }
    const isFine = event === 'phx_leave' || (topic === 'phoenix' && event === 'heartbeat');
    reply(outlet, message, isFine ? 'ok' : 'error', isFine ? {} : { reason: 'unmatched topic' });
    return undefined;
  }

  async function join(message: Message): Promise<void> {
    const { topic } = message;
    channels.get(topic)?.close('phx_close');
    if (!topic.startsWith(TOPIC_PREFIX)) {
      return reply(outlet, message, 'error', { reason: 'unmatched topic' });
    }
    if (channels.size >= limits.channels) {
      return reply(outlet, message, 'error', { reason: 'ChannelRateLimitReached: Too many channels' });
    }
    let left = false;
    const channel = await joinChannel(services, outlet, message, () => {
      left = true;
      channels.delete(topic);
    });
    if (closed) channel?.close();
    else if (channel && !left) channels.set(topic, channel);
  }

  // One message after the other: what follows a join must find its channel. Meanwhile nothing more is read.
  async function drain(first: Promise<void>): Promise<void> {
    busy = true;
    socket.pause();
    await first;
    for (let next = waiting.shift(); next && !closed; next = waiting.shift()) await handle(next);
    busy = false;
    socket.resume();
  }

  function receive(data: Buffer, binary: boolean): void {
    heardAt = performance.now();
    const message = decode(version, data, binary);
    if (tooManyMessages()) close(CLOSE.policyViolation, 'too many messages per second');
    else if (!message) close(CLOSE.invalidData, `not a frame of protocol ${version}`);
    else if (busy) waiting.push(message);
    else {
      const handled = handle(message);
      if (handled) drain(handled).catch(fail);
    }
  }

  function fail(error: unknown): void {
    services.log(`connection failed: ${error instanceof Error ? error.message : String(error)}`);
    close(CLOSE.internalError, 'internal error');
  }

  socket.on('message', (data, binary) => {
    try {
      if (socket.readyState === socket.OPEN) receive(data as Buffer, binary);
    } catch (error) {
      fail(error);
    }
  });
  // A broken frame, or one that is too long: ws closes with the code that says so.
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
    waiting = [];
    for (const channel of [...channels.values()]) channel.close();
    onClosed();
  });

  return {
    closeIfSilent() {
      if (performance.now() - heardAt > limits.silence) close(CLOSE.policyViolation, 'no heartbeat');
    },
    interrupt() {
      for (const channel of [...channels.values()]) channel.close('phx_error');
    },
    close,
  };
}
