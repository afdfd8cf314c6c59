import type { Faker } from '@faker-js/faker';
import { faker } from '@faker-js/faker/locale/en';
import { digest } from './identity.ts';
import type { NamedDataSet } from './options.ts';

// The class comes from the instance: the package's index would load every language that it knows, for half a second.
const FakerOf = faker.constructor as typeof Faker;

/**
 * Random values for what `path` names. Each path has a stream of its own, so that a change in one place leaves
 * every other as it was. Use nothing of it that depends on the clock (faker.date) or on transcendental functions,
 * which differ between versions of V8.
 */
export function randomFor({ name }: NamedDataSet, path: string): Faker {
  const bytes = digest(`random/${name}/${path}`);
  const random = new FakerOf({ locale: faker.rawDefinitions });
  random.seed([0, 4, 8, 12].map((offset) => bytes.readUInt32BE(offset)));
  return random;
}
