// invoke: puts functions of the same tenant together. What one of them threw
// is in the FunctionError.
export default async function ({ api, customer, items }) {
  const order = await invoke('orders', { customer, items });
  try {
    return { order, charge: await invoke('charge', { api, amount: order.total }, { timeout: 2 }) };
  } catch (e) {
    return { order, failed: e.thrown?.message ?? e.outcome };
  }
}
