import type { Context } from 'hono';
import { z } from 'zod';
import { AuthError } from './errors.ts';

// As strict as GoTrue: a local part, and a domain that may have no dot.
const ADDRESS = /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*$/;

// Clients send null for what they have not set.
const optional = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? undefined);
const metadata = optional(z.record(z.string(), z.unknown()));
const text = optional(z.string());

export const signUpBody = z.object({ email: text, phone: text, password: text, data: metadata });
export const passwordBody = z.object({ email: text, phone: text, password: text });
export const refreshBody = z.object({ refresh_token: text });
export const userBody = z.object({ email: text, phone: text, password: text, data: metadata });
export const adminUserBody = z.object({
  id: text,
  email: text,
  phone: text,
  password: text,
  password_hash: text,
  role: text,
  email_confirm: optional(z.boolean()),
  ban_duration: text,
  user_metadata: metadata,
  app_metadata: metadata,
});
export const deleteBody = z.object({ should_soft_delete: optional(z.boolean()) });

/**
 * The JSON body of a request.
 * @throws AuthError when it is no JSON, or a field has the wrong type.
 */
export async function bodyOf<T extends z.ZodType>(c: Context, schema: T): Promise<z.infer<T>> {
  const content = await c.req.text();
  let json: unknown;
  try {
    json = content === '' ? {} : JSON.parse(content);
  } catch {
    throw new AuthError(400, 'bad_json', 'Could not parse request body as JSON');
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.');
  throw new AuthError(
    400,
    'bad_json',
    `Could not parse request body as JSON: ${field || 'body'} has the wrong type`,
  );
}

/**
 * An address as it is stored.
 * @throws AuthError when it is none.
 */
export function emailOf(text: string): string {
  const email = text.trim().toLowerCase();
  if (ADDRESS.test(email) && email.length <= 255) return email;
  throw new AuthError(400, 'validation_failed', 'Unable to validate email address: invalid format');
}

/** @throws AuthError: no messages are sent from here. */
export function refusePhone(phone: string | undefined): void {
  if (phone) throw new AuthError(400, 'phone_provider_disabled', 'Phone logins are disabled');
}

const LATEST = Date.UTC(9999, 11, 31);
const MILLISECONDS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * When a ban ends: a duration like `24h` or `1h30m`, `none` lifts it.
 * @throws AuthError
 */
export function bannedUntil(duration: string | undefined): Date | null | undefined {
  if (duration === undefined) return undefined;
  if (duration === 'none') return null;
  const invalid = new AuthError(400, 'validation_failed', `invalid format for ban duration: "${duration}"`);
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.map(([part]) => part).join('') !== duration || parts.length === 0) throw invalid;
  const sum = parts.reduce(
    (total, [, n, unit]) => total + Number(n) * (MILLISECONDS[unit as string] as number),
    0,
  );
  if (Date.now() + sum > LATEST) throw invalid;
  return new Date(Date.now() + sum);
}
