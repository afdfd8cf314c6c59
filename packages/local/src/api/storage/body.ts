import type { Context } from 'hono';
import type { z } from 'zod';
import { invalidRequest } from './errors.ts';

/**
 * The JSON body of a request.
 * @throws StorageError when it is no JSON, or not what the endpoint takes.
 */
export async function bodyOf<T extends z.ZodType>(c: Context, schema: T): Promise<z.infer<T>> {
  let json: unknown;
  try {
    json = JSON.parse((await c.req.text()) || '{}');
  } catch {
    throw invalidRequest('the body is no JSON');
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalidRequest(`body/${issue?.path.join('/')} ${issue?.message}`);
}
