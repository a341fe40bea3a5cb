// Fetches what a webhook points to. Its tenant's policy must allow the host.
async (event) => {
  log("Processing webhook for tenant A");
  const response = await fetch(event.url);
  return { data: await response.text(), status: response.status };
};
