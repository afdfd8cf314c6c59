import { readFileSync } from 'node:fs';
import pg from 'pg';

const { db } = JSON.parse(readFileSync('/tmp/probe/db.json', 'utf8'));
const c = new pg.Client(db);
await c.connect();
const n = Number(process.argv[2] ?? 1);
for (let i = 0; i < n; i++) {
  const u = crypto.randomUUID();
  await c.query(
    `insert into auth.users (id, instance_id, aud, role, email, created_at, updated_at) values ($1, '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', $2, now(), now())`,
    [u, u + '@example.com'],
  );
  const p = (await c.query(`insert into public.projects (user_id, name) values ($1,'x') returning id`, [u]))
    .rows[0].id;
  const s = (
    await c.query(`insert into public.coding_sessions (user_id, project_id) values ($1,$2) returning id`, [
      u,
      p,
    ])
  ).rows[0].id;
  await c.query(`insert into public.coding_jobs (user_id, session_id, prompt) values ($1,$2,$3)`, [
    u,
    s,
    process.argv[3] ?? 'Build a water tracker',
  ]);
}
await c.end();
