// A client app that others wrote: oidc-client-ts in a page, as its documentation shows it. The tests press its buttons by
// calling `app`; whom the page takes the visitor for stands in `#known`.

'use strict';

async function start() {
  const { bound, ...asked } = await (await fetch('/settings.json')).json();
  const manager = new oidc.UserManager({
    redirect_uri: `${location.origin}/callback`,
    silent_redirect_uri: `${location.origin}/silent`,
    post_logout_redirect_uri: `${location.origin}/`,
    automaticSilentRenew: false,
    silentRequestTimeoutInSeconds: 60, // a busy machine may need more than the usual ten
    loadUserInfo: true,
    userStore: new oidc.WebStorageStateStore({ store: window.localStorage }),
    ...(bound && { dpop: { bind_authorization_code: true, store: new oidc.IndexedDbDPoPStore() } }),
    ...asked,
  });

  const show = (user) => {
    document.getElementById('known').textContent = user ? JSON.stringify(user.profile) : 'Nobody has signed in.';
  };

  window.app = {
    manager,
    signIn: (more) => manager.signinRedirect(more),
    user: () => manager.getUser(),
    // With a refresh token by itself, else in a frame with prompt=none.
    renew: async () => {
      const user = await manager.signinSilent();
      show(user);
      return user;
    },
    forgetRefreshToken: async () => {
      const user = await manager.getUser();
      delete user.refresh_token;
      await manager.storeUser(user);
    },
    revoke: (...kinds) => manager.revokeTokens(kinds),
    signOut: () => manager.signoutRedirect({ state: 'done' }),
    userinfo: async (token) => {
      const address = await manager.metadataService.getUserInfoEndpoint();
      return (await fetch(address, { headers: { Authorization: `Bearer ${token}` } })).status;
    },
    // With a proof of the key that this browser keeps and no script can read (RFC 9449 §7.1).
    provenUserinfo: async () => {
      const user = await manager.getUser();
      const address = await manager.metadataService.getUserInfoEndpoint();
      const ask = async (nonce) => {
        const DPoP = await manager.dpopProof(address, user, 'GET', nonce);
        return fetch(address, { headers: { Authorization: `DPoP ${user.access_token}`, DPoP } });
      };
      let answer = await ask();
      if (answer.status === 401) answer = await ask(answer.headers.get('DPoP-Nonce'));
      return answer.json();
    },
  };

  if (location.pathname === '/silent') return manager.signinSilentCallback();
  if (location.pathname === '/callback') {
    show(await manager.signinRedirectCallback());
    history.replaceState({}, '', '/');
  } else {
    if (new URLSearchParams(location.search).has('state')) await manager.signoutRedirectCallback();
    show(await manager.getUser());
  }
  document.documentElement.dataset.ready = 'yes';
}

start().catch((error) => {
  document.getElementById('known').textContent = `${error.name}: ${error.message}`;
  document.documentElement.dataset.ready = 'failed';
});
