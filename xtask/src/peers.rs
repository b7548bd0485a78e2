//! Brings the programs of others that tests start, and that Debian's stable packages don't have.
//!
//! They come from the registries of packages by the ordinary clients, into `target/peers`, where the tests look for them.
//! One that can't be had is told, and its tests say that they skip.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::process;

/// A program of others.
struct Peer {
    name: &'static str,
    /// What is there when it is installed.
    proof: &'static str,
    /// What brings it, and the package of Debian that has that.
    tools: &'static [(&'static str, &'static str)],
    /// How, for a shell in `target/peers`.
    script: &'static str,
}

const MAVEN: &[(&str, &str)] =
    &[("mvn", "maven"), ("unzip", "unzip"), ("javac", "openjdk-17-jdk-headless")];
const NPM: &[(&str, &str)] = &[("npm", "npm")];

const PEERS: [Peer; 5] = [
    Peer {
        name: "OpenSearch",
        proof: "opensearch/bin/opensearch",
        tools: MAVEN,
        script: "
            mvn -q -B dependency:copy -DoutputDirectory=\"$PWD\" \\
                -Dartifact=org.opensearch.distribution.integ-test-zip:opensearch:2.19.6:zip
            unzip -q opensearch-2.19.6.zip -d new
            mv new/* opensearch; rm -r new opensearch-2.19.6.zip",
    },
    Peer {
        name: "Elasticsearch",
        proof: "elasticsearch/bin/elasticsearch",
        tools: MAVEN,
        script: "
            mvn -q -B dependency:copy -DoutputDirectory=\"$PWD\" \\
                -Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:8.19.21:zip
            unzip -q elasticsearch-8.19.21.zip -d new
            mv new/* elasticsearch; rm -r new elasticsearch-8.19.21.zip",
    },
    Peer {
        name: "Prism",
        proof: "prism/node_modules/.bin/prism",
        tools: NPM,
        script: "npm install --silent --no-audit --no-fund --prefix prism @stoplight/prism-cli@5.14.2",
    },
    // Their command line brings their description of the API along.
    Peer {
        name: "Twilio's description of its API",
        proof: "twilio/twilio_api_v2010.json",
        tools: NPM,
        script: "
            npm pack --silent @twilio/cli-core@8.3.2
            mkdir -p twilio
            tar -xzf twilio-cli-core-8.3.2.tgz -C twilio --strip-components=4 \\
                package/src/services/twilio-api/twilio_api_v2010.json
            rm twilio-cli-core-8.3.2.tgz",
    },
    // Debian has it where it is not stable yet, and with another libc: it is unpacked with all that it needs.
    Peer {
        name: "MySQL",
        proof: "mysql/bin/mysqld",
        tools: &[],
        script: "
            rm -rf mysql; mkdir -p mysql/apt/lists/partial mysql/apt/archives/partial mysql/root mysql/bin
            cd mysql/apt
            site=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | head -n 1)
            echo \"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site sid main\" >sources
            : >status
            cat >conf <<END
Dir::Etc::sourcelist \"$PWD/sources\";
Dir::Etc::sourceparts \"/dev/null\";
Dir::State::lists \"$PWD/lists\";
Dir::State::status \"$PWD/status\";
Dir::Cache::archives \"$PWD/archives\";
Dir::Cache::pkgcache \"\";
Dir::Cache::srcpkgcache \"\";
APT::Sandbox::User \"root\";
END
            export APT_CONFIG=\"$PWD/conf\"
            apt-get -q update
            apt-get -q --yes --no-install-recommends --download-only install mysql-server-core mysql-client-core
            cd ..
            for package in apt/archives/*.deb; do dpkg -x \"$package\" root; done
            rm -r apt
            for program in usr/sbin/mysqld usr/bin/mysql; do
                more=
                case $program in *d) more='\"--basedir=$root/usr\" \"--lc-messages-dir=$root/usr/share/mysql\"' ;; esac
                cat >bin/${program##*/} <<END
#!/bin/sh
root=\\$(dirname \"\\$0\")/../root
exec \\$(echo \"\\$root\"/usr/lib*/ld-linux-*.so.?) --library-path \\$(echo \"\\$root\"/usr/lib/*-linux-gnu) \\
    \"\\$root/$program\" \"\\$@\" $more
END
                chmod +x bin/${program##*/}
            done",
    },
];

/// Brings all of them that are not there yet.
pub fn bring() -> Result<()> {
    let folder = process::target()?.join("peers");
    fs::create_dir_all(&folder)?;
    for peer in PEERS {
        if folder.join(peer.proof).exists() {
            println!("{}: is there already", peer.name);
        } else if let Err(error) = bring_one(&peer, &folder) {
            println!(
                "{}: not installed, and tests that need it say that they skip: {error}",
                peer.name
            );
        }
    }
    Ok(())
}

fn bring_one(peer: &Peer, folder: &Path) -> Result<()> {
    for (tool, package) in peer.tools {
        if process::answer(tool, &["--version"]).is_none()
            && process::answer(tool, &["-v"]).is_none()
        {
            process::run("apt-get", &["install", "--yes", "--no-install-recommends", package])?;
        }
    }
    println!("\n{}", peer.name);
    let script = format!("set -eu; cd '{}'\n{}", folder.display(), peer.script);
    process::run("sh", &["-c", &script])?;
    if !folder.join(peer.proof).exists() {
        bail!("there is no {} afterwards", peer.proof);
    }
    Ok(())
}
