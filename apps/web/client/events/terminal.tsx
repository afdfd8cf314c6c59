/** A command, what it said, and how it ended. `exitCode` is null where it was refused or killed. */
export function Terminal(props: { command: string; output: string; exitCode: number | null }) {
  const { command, output, exitCode } = props;
  return (
    <figure class="terminal">
      <figcaption>
        <code>
          <span aria-hidden="true">$ </span>
          {command}
        </code>
        <span class={exitCode === 0 ? 'exit ok' : 'exit bad'}>
          {exitCode === null ? 'no exit code' : `exit ${exitCode}`}
        </span>
      </figcaption>
      {output.trim() && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <pre tabIndex={0}>{output.trimEnd()}</pre>
      )}
    </figure>
  );
}
