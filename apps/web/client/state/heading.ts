import { useEffect, useRef } from 'preact/hooks';

/** For the heading of a view: names the page, and takes the focus, so that a screen reader says where one is. */
export function useHeading(title: string) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · MobVibe`;
  }, [title]);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return heading;
}
