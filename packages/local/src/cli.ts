import { quickAnswer } from './running.ts';

const answer = quickAnswer(process.argv.slice(2));
if (answer) process.stderr.write(`${answer}\n`);
else await (await import('./commands.ts')).main();
