import { useHeading } from '../state/heading.ts';

/** In the place of what is not there, or is somebody else's. */
export function Missing({ what }: { what: string }) {
  const heading = useHeading('Not found');
  return (
    <main id="content" class="page">
      <h1 ref={heading} tabIndex={-1}>
        Not found
      </h1>
      <p>This {what} does not exist, or is not yours.</p>
      <p>
        <a href="#/">All projects</a>
      </p>
    </main>
  );
}
