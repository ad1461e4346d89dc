import { LauncherError } from './errors.ts';

/** The REST API of kdh-server, with the operator token. */
export interface Api {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: unknown): Promise<T>;
}

/** `baseUrl` such as http://127.0.0.1:8080. An answer other than 2xx is API_REFUSED, with what its problem says. */
export function openApi(baseUrl: string, token: string): Api {
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${baseUrl}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (response.ok) return (await response.json()) as T;
    const problem = (await response.json().catch(() => ({}))) as { title?: string; detail?: string };
    const reason = problem.detail ?? problem.title ?? response.statusText;
    throw new LauncherError('API_REFUSED', `${method} ${path} was answered ${response.status}: ${reason}`);
  };
  return {
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, body),
  };
}
