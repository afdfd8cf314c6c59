import { writeFileSync } from 'node:fs';
import setup from '../../test/harness/global-setup.ts';

let server: any;
const stop = await setup({
  provide: (_: string, v: any) => {
    server = v;
  },
} as any);
writeFileSync(
  '/tmp/probe/db.json',
  JSON.stringify({
    ...server,
    db: Object.assign(new URL(server.url), { pathname: 'mobvibe_template' }).href,
  }),
);
console.log('up');
process.on('SIGTERM', async () => {
  await stop();
  process.exit(0);
});
setInterval(() => {}, 1000);
