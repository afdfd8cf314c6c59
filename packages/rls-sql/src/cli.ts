import { CommandError, program, runCommand, say, step, target, withConnection } from '@mobvibe/cli';
import { type ApplyResult, applyLayer } from './apply.ts';
import { examineLayer, repairSql } from './doctor.ts';
import { setLoginPasswords } from './passwords.ts';
import { type Plan, planLayer, planSql } from './plan.ts';
import { verifyLayer } from './verify.ts';

const cli = program('rls', 'The SQL layer: functions, triggers, policies, grants and login roles.');

cli
  .command('apply')
  .description('make the database hold what sql/ says, in one transaction, verified before it is committed')
  .option('--repair', 'put back what was changed by hand, instead of refusing')
  .option('--json', 'print the result as JSON')
  .action(async (options: { repair?: boolean; json?: boolean }) => {
    const to = target('migration');
    const result = await step(`SQL layer on ${to.description}`, async (progress) =>
      withConnection(to, async (client) => {
        const applied = await applyLayer(client, {
          repair: Boolean(options.repair),
          onWait: (seconds) => progress.update(`another apply is running; waiting up to ${seconds} s for it`),
        });
        if (applied.applied.length + applied.unchanged === 0) {
          throw new CommandError(
            'the database holds no table that the SQL layer is for',
            'pnpm turbo migrate',
          );
        }
        return { ...applied, passwords: await setLoginPasswords(client, to) };
      }),
    );
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else say(`  ${summary(result)}, verified`);
  });

cli
  .command('verify')
  .description('compare the database with sql/ and the rules of the house; changes nothing')
  .option('--json', 'print the findings as JSON')
  .action(async (options: { json?: boolean }) => {
    const to = target('migration');
    const findings = await step(`verify ${to.description}`, () =>
      withConnection(to, async (client) => verifyLayer(client)),
    );
    if (options.json) process.stdout.write(`${JSON.stringify(findings)}\n`);
    const [first] = findings;
    if (!first)
      return say('  every file in force, every object as its file says, every rule of the house kept');
    if (findings.length === 1) throw new CommandError(first.problem, first.fix);
    for (const finding of findings) {
      say(`  ✗ ${finding.problem}${finding.rule ? ` [${finding.rule}]` : ''}\n    → ${finding.fix}`);
    }
    throw new CommandError(
      `${findings.length} findings on ${to.description}`,
      'each line above says what to do',
    );
  });

cli
  .command('plan')
  .description('what apply would change, as SQL on stdout, and why; changes nothing')
  .option('--json', 'print the plan as JSON')
  .action(async (options: { json?: boolean }) => {
    const to = target('migration');
    const plan = await step(`plan for ${to.description}`, () =>
      withConnection(to, async (client) => planLayer(client)),
    );
    process.stdout.write(options.json ? `${JSON.stringify(plan)}\n` : planSql(plan));
    for (const line of planSummary(plan)) say(`  ${line}`);
  });

cli
  .command('doctor')
  .description('what is not as the files say, on stderr, and the SQL that repairs it, on stdout')
  .option('--json', 'print what was found as JSON')
  .action(async (options: { json?: boolean }) => {
    const to = target('migration');
    const found = await step(`doctor on ${to.description}`, () =>
      withConnection(to, async (client) => examineLayer(client)),
    );
    process.stdout.write(options.json ? `${JSON.stringify(found)}\n` : repairSql(found));
    if (found.length === 0) return say('  nothing to repair');
    for (const { problem, diff, advice } of found) {
      say(`  ✗ ${problem}`);
      for (const line of diff) say(`      ${line}`);
      if (advice) say(`    → ${advice}`);
    }
    throw new CommandError(
      `${found.length} ${found.length === 1 ? 'thing is' : 'things are'} not as the files say`,
      found.some(({ sql }) => sql.length > 0)
        ? 'pnpm rls doctor > repair.sql, read it, psql "$DIRECT_URL" -f repair.sql'
        : 'each line above says what to do',
    );
  });

function planSummary({ steps, waiting, refused }: Plan): string[] {
  const runs = steps.filter((step) => step.action === 'run').length;
  const [first] = refused;
  return [
    steps.length === 0 ? 'nothing to do' : `${runs} files to run, ${steps.length - runs} things to drop`,
    ...(waiting.length > 0 ? [`${waiting.length} files wait for a migration`] : []),
    ...(first
      ? [`${refused.map(({ object }) => object).join(', ')}: changed by hand, so apply refuses`]
      : []),
    ...(first ? [`→ ${first.fix}`] : []),
  ];
}

function summary({
  applied,
  unchanged,
  removed,
  waiting,
  passwords,
}: ApplyResult & { passwords: string[] }): string {
  const parts = [`${applied.length} files applied`, `${unchanged} unchanged`];
  if (removed.length > 0) parts.push(`${removed.length} removed`);
  if (waiting.length > 0) parts.push(`${waiting.length} waiting for a migration`);
  if (passwords.length > 0) parts.push(`password set for ${passwords.join(' and ')}`);
  return parts.join(', ');
}

await runCommand(cli);
