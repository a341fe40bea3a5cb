// queue and env: says hello later, in the words that the operator set.
export default async function ({ email }) {
  const greeting = env.get('GREETING') ?? 'Welcome';
  const { id } = await queue.send('mail', { to: email, text: `${greeting}, ${email}!` }, { delay: 60 });
  log('queued', id);
  return { queued: typeof id };
}
