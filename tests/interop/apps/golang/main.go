// A client app that others wrote: go-oidc with x/oauth2, as its own examples show it.
//
// Usage: app '{"issuer": ..., "client_id": ..., "client_secret": ..., "port": ..., "scopes": [...], "pkce": true}'
// Prints one JSON line, {"listens": ...}, once it does. `/` sends a browser to log in, and `/callback` tells whom it knows then.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

type asked struct {
	Issuer       string   `json:"issuer"`
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	Port         int      `json:"port"`
	Scopes       []string `json:"scopes"`
	PKCE         bool     `json:"pkce"`
}

type person struct {
	Subject  string   `json:"sub"`
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	Verified bool     `json:"email_verified"`
	Groups   []string `json:"groups"`
}

type app struct {
	config   oauth2.Config
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	pkce     bool
}

func chance() string {
	bytes := make([]byte, 16)
	if _, err := rand.Read(bytes); err != nil {
		log.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(bytes)
}

func remember(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, MaxAge: 600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func remembered(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (a *app) login(w http.ResponseWriter, r *http.Request) {
	state, nonce := chance(), chance()
	remember(w, "go-state", state)
	remember(w, "go-nonce", nonce)
	options := []oauth2.AuthCodeOption{oidc.Nonce(nonce)}
	if a.pkce {
		verifier := oauth2.GenerateVerifier()
		remember(w, "go-verifier", verifier)
		options = append(options, oauth2.S256ChallengeOption(verifier))
	}
	http.Redirect(w, r, a.config.AuthCodeURL(state, options...), http.StatusFound)
}

func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	known, err := a.known(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(known); err != nil {
		log.Print(err)
	}
}

func (a *app) known(r *http.Request) (*person, error) {
	ctx, query := r.Context(), r.URL.Query()
	if query.Get("state") != remembered(r, "go-state") {
		return nil, fmt.Errorf("another state")
	}
	if query.Get("error") != "" {
		return nil, fmt.Errorf("refused: %s", query.Get("error"))
	}
	var options []oauth2.AuthCodeOption
	if a.pkce {
		options = append(options, oauth2.VerifierOption(remembered(r, "go-verifier")))
	}
	token, err := a.config.Exchange(ctx, query.Get("code"), options...)
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, fmt.Errorf("no id_token")
	}
	idToken, err := a.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if idToken.Nonce != remembered(r, "go-nonce") {
		return nil, fmt.Errorf("another nonce")
	}
	if idToken.AccessTokenHash != "" {
		if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, err
		}
	}
	// Its source refreshes by itself; asked with a token that is over it must do so now.
	over := *token
	over.Expiry = token.Expiry.AddDate(0, 0, -1)
	fresh, err := a.config.TokenSource(ctx, &over).Token()
	if err != nil {
		return nil, fmt.Errorf("refresh: %w", err)
	}
	if fresh.AccessToken == token.AccessToken {
		return nil, fmt.Errorf("the access token was not refreshed")
	}
	userinfo, err := a.provider.UserInfo(ctx, oauth2.StaticTokenSource(fresh))
	if err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	if userinfo.Subject != idToken.Subject {
		return nil, fmt.Errorf("userinfo of somebody else")
	}
	var known person
	return &known, userinfo.Claims(&known)
}

func main() {
	var told asked
	if err := json.Unmarshal([]byte(os.Args[1]), &told); err != nil {
		log.Fatal(err)
	}
	provider, err := oidc.NewProvider(context.Background(), told.Issuer)
	if err != nil {
		log.Fatal(err)
	}
	site := fmt.Sprintf("http://127.0.0.1:%d", told.Port)
	a := &app{
		config: oauth2.Config{
			ClientID: told.ClientID, ClientSecret: told.ClientSecret, Endpoint: provider.Endpoint(),
			RedirectURL: site + "/callback", Scopes: told.Scopes,
		},
		provider: provider,
		verifier: provider.Verifier(&oidc.Config{ClientID: told.ClientID}),
		pkce:     told.PKCE,
	}
	http.HandleFunc("/callback", a.callback)
	http.HandleFunc("/", a.login)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", told.Port))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"listens\": %q}\n", site)
	log.Fatal(http.Serve(listener, nil))
}
