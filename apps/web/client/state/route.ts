import { useEffect, useState } from 'preact/hooks';

export type Route = { view: 'projects' } | { view: 'project'; id: string } | { view: 'session'; id: string };

const PATTERN = /^#\/(project|session)\/([0-9a-f-]{36})$/;

/** Where the address says to be: in the hash, so that a reload stays there. */
function parseRoute(hash: string): Route {
  const [, view, id] = PATTERN.exec(hash) ?? [];
  return view && id ? { view: view as 'project' | 'session', id } : { view: 'projects' };
}

export const projectPath = (id: string) => `#/project/${id}`;
export const sessionPath = (id: string) => `#/session/${id}`;

export function goTo(path: string): void {
  location.hash = path;
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const follow = () => setHash(location.hash);
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return parseRoute(hash);
}
