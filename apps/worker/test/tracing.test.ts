import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { createFixture, done, type Fixture } from './fixture.ts';

const exporter = new InMemorySpanExporter();
let db: TestDatabase;
let fixture: Fixture;

beforeAll(async () => {
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  db = await createTestDatabase();
  fixture = await createFixture(db);
});
afterAll(async () => {
  await db?.drop();
  await fixture?.remove();
});

it('each attempt at a job is a trace: claim, run, complete', async () => {
  const session = await fixture.createSession();
  const id = await fixture.enqueue(session, 'a secret');
  const worker = await fixture.start(async () => done, { untilIdle: true });
  await worker.done;
  const spans = exporter.getFinishedSpans();
  const named = (name: string) => spans.find((span) => span.name === name) as ReadableSpan;
  const job = named('job');
  expect(job.attributes).toEqual({
    'mobvibe.job.id': id,
    'mobvibe.job.attempt': 1,
    'mobvibe.job.outcome': 'completed',
    'mobvibe.session.id': session.sessionId,
  });
  const children = spans.filter((span) => span.parentSpanContext?.spanId === job.spanContext().spanId);
  expect(children.map(({ name }) => name).sort()).toEqual(['claim', 'complete', 'run']);
  expect(named('claim').startTime).toEqual(job.startTime);
  expect(spans).toHaveLength(4);
});
