/** The app's name, taken from the wish: "Build me a habit tracker, please" → Habit Tracker, habit-tracker. */
export function nameOf(wish: string): { title: string; slug: string } {
  const words = wish
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s]+/gu, ' ')
    .replace(/^.*?\b(?:build|create|make|write|want|need)\b/, '')
    .replace(/\b(?:with|where|which|that|so)\b.*$/, '')
    .split(/\s+/)
    .filter((word) => word && !FILLERS.has(word))
    .slice(0, 3);
  const title = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(' ') || 'My App';
  const slug = title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return { title, slug: slug || 'my-app' };
}

const FILLERS = new Set(
  'a an the me my us i to please simple small little app application mobile for and of'.split(' '),
);

/** The files of the app, each as it goes to disk. */
export function appFiles(wish: string) {
  const { title, slug } = nameOf(wish);
  return {
    'App.tsx': screen(title, wish),
    'app.json': `${JSON.stringify(
      {
        expo: {
          name: title,
          slug,
          version: '1.0.0',
          orientation: 'portrait',
          userInterfaceStyle: 'automatic',
        },
      },
      null,
      2,
    )}\n`,
    'package.json': `${JSON.stringify(
      {
        name: slug,
        version: '1.0.0',
        private: true,
        main: 'expo/AppEntry.js',
        scripts: { start: 'expo start', web: 'expo start --web' },
        dependencies: { expo: '~54.0.0', react: '19.1.0', 'react-native': '0.81.4' },
      },
      null,
      2,
    )}\n`,
    'README.md': `# ${title}\n\nOne screen, written by MobVibe's scripted model server: no model was asked.\n\n\`npm install && npx expo start\`, then open it in Expo Go.\n`,
  };
}

const screen = (title: string, wish: string) => `import { useReducer, useState } from 'react';
import { FlatList, Pressable, SafeAreaView, StyleSheet, Text, TextInput, View } from 'react-native';

interface Item {
  id: number;
  text: string;
  done: boolean;
}

type Action = { type: 'add'; text: string } | { type: 'toggle'; id: number } | { type: 'clear' };

const title = ${JSON.stringify(title)};
const subtitle = ${JSON.stringify(wish.slice(0, 120))};

function reduce(items: Item[], action: Action): Item[] {
  switch (action.type) {
    case 'add':
      return [...items, { id: (items.at(-1)?.id ?? 0) + 1, text: action.text, done: false }];
    case 'toggle':
      return items.map((item) => (item.id === action.id ? { ...item, done: !item.done } : item));
    case 'clear':
      return items.filter((item) => !item.done);
  }
}

export default function App() {
  const [items, dispatch] = useReducer(reduce, []);
  const [draft, setDraft] = useState('');
  const done = items.filter((item) => item.done).length;

  const add = () => {
    const text = draft.trim();
    if (!text) return;
    dispatch({ type: 'add', text });
    setDraft('');
  };

  return (
    <SafeAreaView style={styles.screen}>
      <Text style={styles.title}>{title}</Text>
      <Text style={styles.subtitle}>{subtitle}</Text>
      <View style={styles.track}>
        <View style={[styles.bar, { width: \`\${items.length ? (100 * done) / items.length : 0}%\` }]} />
      </View>
      <FlatList
        data={items}
        keyExtractor={(item) => String(item.id)}
        ListEmptyComponent={<Text style={styles.empty}>Nothing here yet.</Text>}
        renderItem={({ item }) => (
          <Pressable
            onPress={() => dispatch({ type: 'toggle', id: item.id })}
            style={styles.row}
          >
            <Text style={[styles.text, item.done && styles.done]}>{item.text}</Text>
          </Pressable>
        )}
      />
      <TextInput
        value={draft}
        onChangeText={setDraft}
        onSubmitEditing={add}
        placeholder="Add one"
        returnKeyType="done"
        style={styles.input}
      />
      {done > 0 && (
        <Pressable accessibilityRole="button" onPress={() => dispatch({ type: 'clear' })}>
          <Text style={styles.clear}>Clear {done} done</Text>
        </Pressable>
      )}
    </SafeAreaView>
  );
}

const styles = StyleSheet.create({
  screen: { flex: 1, padding: 24, backgroundColor: '#fafafa' },
  title: { fontSize: 28, fontWeight: '700' },
  subtitle: { marginTop: 4, color: '#666' },
  track: { height: 6, marginVertical: 16, borderRadius: 3, backgroundColor: '#e5e5e5' },
  bar: { height: 6, borderRadius: 3, backgroundColor: '#16a34a' },
  empty: { paddingVertical: 32, textAlign: 'center', color: '#999' },
  row: { paddingVertical: 14, borderBottomWidth: StyleSheet.hairlineWidth, borderColor: '#ddd' },
  text: { fontSize: 17 },
  done: { color: '#999', textDecorationLine: 'line-through' },
  input: { padding: 12, borderRadius: 8, backgroundColor: '#fff', fontSize: 17 },
  clear: { paddingVertical: 16, textAlign: 'center', color: '#b91c1c' },
});
`;
