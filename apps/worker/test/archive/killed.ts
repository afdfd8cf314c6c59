// Archives or restores a month, and kills itself with SIGKILL at the nth thing that it asks of the database or of the
// store: as soon as it has asked, or when it has the answer.
import pg from 'pg';
import { stepwise } from './stepwise.ts';

const [what, month = '', url = '', directory = '', at, when] = process.argv.slice(2);
const pool = new pg.Pool({
  connectionString: url,
  max: 2,
  application_name: 'killed',
});
let steps = 0;
await stepwise(what === 'restore' ? 'restore' : 'archive', month, {
  pool,
  directory,
  step: async (task) => {
    steps += 1;
    const isLast = steps === Number(at);
    const asked = task();
    if (isLast && when === 'asked') process.kill(process.pid, 'SIGKILL');
    const answer = await asked;
    if (isLast) process.kill(process.pid, 'SIGKILL');
    return answer;
  },
});
// It was not asked for as much: what was to be done had been done by one that was killed.
process.exit(0);
