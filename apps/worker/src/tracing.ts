import { errorCode } from '@mobvibe/cli';
import { type Attributes, type Span, SpanStatusCode, type TimeInput, trace } from '@opentelemetry/api';
import type { Claim } from './queue/queue.ts';
import type { Outcome } from './run-job.ts';

// Spans go nowhere until the operator's own OpenTelemetry SDK is loaded: node --import ./otel.mjs.
const tracer = () => trace.getTracer('@mobvibe/worker');

/** Runs a task in a span. Of an error it keeps the code: a message may quote what a person wrote. */
export function inSpan<T>(
  name: string,
  options: { attributes?: Attributes; startTime?: TimeInput; root?: boolean },
  task: (span: Span) => Promise<T>,
): Promise<T> {
  return tracer().startActiveSpan(name, options, async (span) => {
    try {
      return await task(span);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: errorCode(error) ?? 'error' });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** A trace of one attempt at a job: its claim, and whatever `run` does. */
export function traceJob(
  job: Claim,
  times: { asked: number; answered: number },
  run: () => Promise<Outcome>,
): Promise<Outcome> {
  const attributes = {
    'mobvibe.job.id': job.id,
    'mobvibe.job.attempt': job.attempt,
    'mobvibe.session.id': job.sessionId,
  };
  const at = (time: number) => performance.timeOrigin + time;
  return inSpan('job', { attributes, startTime: at(times.asked), root: true }, async (span) => {
    tracer()
      .startSpan('claim', { startTime: at(times.asked) })
      .end(at(times.answered));
    const outcome = await run();
    span.setAttribute('mobvibe.job.outcome', outcome);
    return outcome;
  });
}
