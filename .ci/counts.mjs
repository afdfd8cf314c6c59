// Prints `N passed, N failed` from vitest's JSON report; fails when a test failed, when none ran, or when there is
// no report to read.
import { readFileSync } from 'node:fs';

const { passed, failed, skipped } = count(process.argv[2]);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
if (failed > 0 || passed === 0) process.exitCode = 1;

function count(path) {
  try {
    const report = JSON.parse(readFileSync(path, 'utf8'));
    // A file that could not be loaded failed as well, though none of its tests did.
    const broken = report.testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
    );
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests + broken.length,
      skipped: report.numPendingTests + report.numTodoTests,
    };
  } catch (error) {
    console.error(`error: vitest left no report that can be read: ${error.message}`);
    console.error('fix: what it printed above says why it ended');
    return { passed: 0, failed: 0, skipped: 0 };
  }
}
