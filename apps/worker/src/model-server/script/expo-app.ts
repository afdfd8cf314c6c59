import { join } from 'node:path/posix';
import type { Conversation } from '../conversation.ts';
import type { Reply } from '../message.ts';
import { appFiles, nameOf } from './app-files.ts';

/** Chooses the next reply by what was asked and what the tools returned so far: no state, no chance, no clock. */
export type Script = (conversation: Conversation, model: string) => Reply;

const SCRIPTED = 'This was a scripted run: no model was asked. Set ANTHROPIC_API_KEY for the real thing.';

/** Writes a small Expo app named after the prompt; where there is one already, changes it to follow the prompt. */
export const writeExpoApp: Script = (conversation) => {
  const [look] = conversation.results;
  if (!look) {
    return {
      thinking:
        'First I need to know what is in the project: a new app and a change to one are different work.',
      text: "I'll look at the project first.",
      tools: [bash('pwd && ls -A', 'Show the project directory')],
    };
  }
  const [project = '.', ...entries] = look.text.trim().split('\n');
  const inProject = (path: string) => join(project, path);
  return entries.includes('App.tsx') ? change(conversation, inProject) : build(conversation, inProject);
};

function build({ prompt, results }: Conversation, inProject: (path: string) => string): Reply {
  const { title, slug } = nameOf(prompt);
  const files = appFiles(prompt);
  const write = (path: keyof typeof files) => ({
    name: 'Write',
    input: { file_path: inProject(path), content: files[path] },
  });
  switch (results.length) {
    case 1:
      return {
        thinking: `The project is empty. "${title}" needs one screen: a list that can be added to, ticked off and cleared, with progress on top. One component and a reducer are enough.`,
        text: `An empty project. I'll start with the screen of ${title}.`,
        tools: [write('App.tsx')],
      };
    case 2:
      return {
        text: 'Now the configuration that Expo needs to run it.',
        tools: [write('app.json'), write('package.json')],
      };
    case 4:
      return { text: 'And a note for whoever opens it next.', tools: [write('README.md')] };
    case 5:
      return {
        text: 'Let me check what is on disk.',
        tools: [
          bash(
            `wc -l * && node -p "require('./app.json').expo.slug"`,
            'Count the lines and read the configuration',
          ),
        ],
      };
    case 6:
      return {
        thinking: 'A screen reader would only say "button" for each row. It should say the state as well.',
        text: 'One improvement: rows should tell a screen reader whether they are done.',
        tools: [
          {
            name: 'Edit',
            input: {
              file_path: inProject('App.tsx'),
              old_string: "            onPress={() => dispatch({ type: 'toggle', id: item.id })}\n",
              new_string:
                '            accessibilityRole="checkbox"\n            accessibilityState={{ checked: item.done }}\n            onPress={() => dispatch({ type: \'toggle\', id: item.id })}\n',
            },
          },
        ],
      };
    default:
      return {
        text: `${title} is ready: App.tsx holds the screen, app.json names it "${slug}". ${SCRIPTED}`,
      };
  }
}

function change({ prompt, results }: Conversation, inProject: (path: string) => string): Reply {
  const [, read] = results;
  if (!read) {
    return {
      thinking: 'There is an app already. I should read it before I change it.',
      text: "There is an app here already; I'll read it.",
      tools: [{ name: 'Read', input: { file_path: inProject('App.tsx') } }],
    };
  }
  const oldLine = /const subtitle = .*;/.exec(read.text)?.[0];
  const newLine = `const subtitle = ${JSON.stringify(prompt.slice(0, 120))};`;
  switch (results.length) {
    case 2:
      if (!oldLine || oldLine === newLine) break;
      return {
        text: "I'll put the new wish into the screen.",
        tools: [
          {
            name: 'Edit',
            input: { file_path: inProject('App.tsx'), old_string: oldLine, new_string: newLine },
          },
        ],
      };
    case 3:
      return {
        text: 'Let me see the result.',
        tools: [bash(`grep -n "const subtitle" App.tsx`, 'Show the changed line')],
      };
  }
  return { text: `App.tsx follows your wish now. ${SCRIPTED}` };
}

const bash = (command: string, description: string) => ({ name: 'Bash', input: { command, description } });
