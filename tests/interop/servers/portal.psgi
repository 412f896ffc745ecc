# The portal of LemonLDAP::NG behind Plack. LLNG_DEFAULTCONFFILE names its configuration.

# Nobody here looks at pictures: without this the portal wants a library for drawing them.
BEGIN { $INC{'NoPictures.pm'} = __FILE__ }
package NoPictures;
use Mouse;
extends 'Lemonldap::NG::Portal::Main::Plugin';
sub init { 1 }

package main;
use Lemonldap::NG::Portal;
Lemonldap::NG::Portal->run({ configStorage => { confFile => $ENV{LLNG_DEFAULTCONFFILE} } });
