// What the playground holds: kept for the tab's session, so that it is there
// after a reload, and so that other pages can put code into it.

export interface Draft {
  code: string; event: string; language: 'javascript' | 'typescript';
  /** Where the code came from, and how it was deployed: what Deploy begins with. */
  deployed?: { tenant: string; function: string; settings: Record<string, string> };
}

const key = 'bulkhead.draft', tenantKey = 'bulkhead.tenant';

export function loadDraft(): Draft | undefined {
  try {
    const d = JSON.parse(sessionStorage.getItem(key) ?? '') as Draft;
    if (typeof d.code !== 'string' || typeof d.event !== 'string') return undefined;
    return { code: d.code, event: d.event, language: d.language === 'typescript' ? 'typescript' : 'javascript', deployed: d.deployed };
  } catch { return undefined; /* none, or of another version of the page */ }
}

export function keepDraft(d: Draft) { try { sessionStorage.setItem(key, JSON.stringify(d)); } catch { /* full: the draft is only not kept */ } }

export const lastTenant = () => sessionStorage.getItem(tenantKey) ?? '';
export const keepTenant = (name: string) => sessionStorage.setItem(tenantKey, name);
