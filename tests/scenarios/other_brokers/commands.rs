//! How each make is configured and started.

use std::path::PathBuf;
use std::process::Command;

use super::{Make, OtherBroker, installed};

/// The most that one client may be subscribed to, and that may be retained, where there is a [quota](super::Wishes).
const QUOTA: u8 = 2;
/// How many bytes a packet or a payload may have where there are limits.
const LARGEST: u16 = 1_024;
/// As much as the scenarios ask for.
const ROOM: u32 = 64 << 20;

impl OtherBroker {
    pub(super) fn command(&self) -> Command {
        match self.make {
            Make::Aedes => self.aedes(),
            Make::RabbitMq => self.rabbitmq(),
            Make::Nats => self.nats(),
            Make::ActiveMq => self.activemq(),
            Make::Amqtt => self.amqtt(),
            Make::Rumqttd => self.rumqttd(),
            Make::Mqttv5 => self.mqttv5(),
        }
    }

    /// The files with the certificate and its key, if there is to be TLS.
    fn identity(&self) -> Option<[PathBuf; 2]> {
        let identity = self.wishes.identity.as_ref()?;
        Some([self.write("certificate.pem", &identity.certificate), self.write("key.pem", &identity.key)])
    }

    fn aedes(&self) -> Command {
        let script = self.write(
            "aedes.js",
            "const { Aedes } = require('aedes');\n\
             const { createServer } = require('aedes-server-factory');\n\
             const { readFileSync } = require('fs');\n\
             const [mqtt, web, secure, certificate, key, user, secret] = process.argv.slice(2);\n\
             Aedes.createBroker().then((broker) => {\n\
                 if (user) broker.authenticate = (client, name, password, done) => done(null, name === user && `${password}` === secret);\n\
                 createServer(broker).listen(Number(mqtt), '127.0.0.1');\n\
                 createServer(broker, { ws: true }).listen(Number(web), '127.0.0.1');\n\
                 if (!certificate) return;\n\
                 const tls = { cert: readFileSync(certificate), key: readFileSync(key) };\n\
                 createServer(broker, { tls }).listen(Number(secure), '127.0.0.1');\n\
             });\n",
        );
        let mut command = Command::new("node");
        command
            .arg(script)
            .args(
                [self.ports.mqtt.number, self.ports.web.number, self.ports.tls.number].map(|n| n.to_string()),
            )
            .args(self.identity().unwrap_or_default());
        if let Some((user, password)) = self.wishes.user {
            command.args([user, password]);
        }
        command.env("NODE_PATH", installed().join("node_modules"));
        command
    }

    /// It has one user, `guest`, for whom everybody counts who names none: there is nothing to be said about others.
    fn rabbitmq(&self) -> Command {
        let [amqp, epmd, distribution] = self.ports.others.each_ref().map(|port| port.number);
        let plain = format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp}\n\
             mqtt.listeners.tcp.1 = 127.0.0.1:{}\n\
             mqtt.allow_anonymous = true\n\
             web_mqtt.tcp.ip = 127.0.0.1\n\
             web_mqtt.tcp.port = {}\n",
            self.ports.mqtt.number, self.ports.web.number
        );
        let secure = self.identity().map(|[certificate, key]| {
            format!(
                "mqtt.listeners.ssl.1 = 127.0.0.1:{}\n\
                 ssl_options.certfile = {}\n\
                 ssl_options.keyfile = {}\n",
                self.ports.tls.number,
                certificate.display(),
                key.display()
            )
        });
        let config = self.write("rabbitmq.conf", &(plain + &secure.unwrap_or_default()));
        let plugins = self.write("enabled_plugins", "[rabbitmq_mqtt,rabbitmq_web_mqtt].\n");
        let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
        command
            .env("HOME", &self.directory)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", epmd.to_string())
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("RABBITMQ_NODENAME", format!("sterna{}@localhost", self.ports.mqtt.number))
            .env("RABBITMQ_CONFIG_FILE", config)
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
            .env("RABBITMQ_MNESIA_BASE", self.directory.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", self.directory.join("logs"));
        command
    }

    /// It refuses filters of QoS 1 once all those of a session may have 65,535 messages unacknowledged, 1,024 each if it is
    /// not told otherwise. With TLS it has no other MQTT listener.
    fn nats(&self) -> Command {
        let tls = self.identity().map(|[certificate, key]| {
            format!(", tls {{ cert_file: \"{}\", key_file: \"{}\" }}", certificate.display(), key.display())
        });
        let user = self.wishes.user.map(|(user, password)| {
            format!("authorization {{ user: \"{user}\", password: \"{password}\" }}\n")
        });
        let max_ack_pending = if self.wishes.limited { 40_000 } else { 100 };
        let config = self.write(
            "nats.conf",
            &format!(
                "server_name: sterna\n\
                 listen: \"127.0.0.1:{}\"\n\
                 jetstream {{ store_dir: \"{}\" }}\n\
                 mqtt {{ host: \"127.0.0.1\", port: {}, max_ack_pending: {max_ack_pending}{} }}\n\
                 websocket {{ host: \"127.0.0.1\", port: {}, no_tls: true }}\n{}",
                self.ports.others[0].number,
                self.directory.join("data").display(),
                if tls.is_some() { self.ports.tls.number } else { self.ports.mqtt.number },
                tls.unwrap_or_default(),
                self.ports.web.number,
                user.unwrap_or_default()
            ),
        );
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(config);
        command
    }

    /// Debian's package lacks the MQTT library on its own class path, and its script wants to be a service.
    fn activemq(&self) -> Command {
        let jars = ["mqtt-client", "hawtbuf", "hawtdispatch", "hawtdispatch-transport"];
        let jars = jars.map(|jar| format!("/usr/share/java/{jar}.jar")).join(":");
        let mut command = Command::new("java");
        command
            .arg("-Xmx256m")
            .args(["-cp", &format!("/usr/share/activemq/lib/*:/usr/share/activemq/lib/optional/*:{jars}")])
            .arg("-Dactivemq.home=/usr/share/activemq")
            .arg(format!("-Dactivemq.base={}", self.directory.display()))
            .arg(format!("-Dactivemq.data={}", self.directory.join("data").display()))
            .arg("org.apache.activemq.console.command.ShellCommand")
            .arg("start")
            .arg(format!(
                "broker:(mqtt://127.0.0.1:{})?persistent=false&useJmx=false",
                self.ports.mqtt.number
            ));
        command
    }

    /// With a user it lets nobody in: its file of passwords is empty.
    fn amqtt(&self) -> Command {
        let secure = self.identity().map(|[certificate, key]| {
            format!(
                "  secure:\n    type: tcp\n    bind: 127.0.0.1:{}\n    ssl: true\n    certfile: {}\n    keyfile: {}\n",
                self.ports.tls.number,
                certificate.display(),
                key.display()
            )
        });
        let authentication = match self.wishes.user {
            None => "AnonymousAuthPlugin:\n    allow_anonymous: true\n".to_owned(),
            Some(_) => {
                format!("FileAuthPlugin:\n    password_file: {}\n", self.write("passwords", "").display())
            }
        };
        let config = self.write(
            "amqtt.yaml",
            &format!(
                "listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{}\n  \
                 web:\n    type: ws\n    bind: 127.0.0.1:{}\n{}\
                 plugins:\n  amqtt.plugins.authentication.{authentication}",
                self.ports.mqtt.number,
                self.ports.web.number,
                secure.unwrap_or_default()
            ),
        );
        let mut command = Command::new(installed().join("python/bin/amqtt"));
        command.arg("-c").arg(config);
        command
    }

    /// Each version has ports of its own, and over WebSocket it speaks 3.1.1 only.
    fn rumqttd(&self) -> Command {
        let [v5, v5_tls, _] = self.ports.others.each_ref().map(|port| port.number);
        let identity = self.identity();
        let tls = identity.as_ref().map(|[certificate, key]| {
            format!("certpath = \"{}\"\nkeypath = \"{}\"\n", certificate.display(), key.display())
        });
        let largest = if self.wishes.limited { u32::from(LARGEST) } else { ROOM };
        let user = self.wishes.user.map(|(user, password)| format!("auth = {{ {user} = \"{password}\" }}\n"));
        let user = user.unwrap_or_default();
        let listener = |name: &str, port: u16, tls: &str| {
            format!(
                "[{name}]\nname = \"{name}\"\nlisten = \"127.0.0.1:{port}\"\nnext_connection_delay_ms = 1\n{tls}\
                 [{name}.connections]\nconnection_timeout_ms = 60000\nmax_payload_size = {largest}\n\
                 max_inflight_count = 100\ndynamic_filters = true\n{user}"
            )
        };
        let mut config = vec![
            "id = 0\n[router]\nid = 0\nmax_connections = 100\nmax_outgoing_packet_count = 200\n\
             max_segment_size = 104857600\nmax_segment_count = 10\n"
                .to_owned(),
            listener("v4.plain", self.ports.mqtt.number, ""),
            listener("v5.plain", v5, ""),
            listener("ws.plain", self.ports.web.number, ""),
        ];
        if let Some(tls) = &tls {
            config.extend(
                [("v4.secure", self.ports.tls.number), ("v5.secure", v5_tls)]
                    .map(|(name, port)| listener(name, port, &format!("[{name}.tls]\n{tls}"))),
            );
        }
        let config = self.write("rumqttd.toml", &config.concat());
        let mut command = Command::new(installed().join("bin/rumqttd"));
        command.arg("--quiet").arg("--config").arg(config);
        command
    }

    /// With a user it lets nobody in: its file of passwords is empty.
    fn mqttv5(&self) -> Command {
        let mut settings = vec![
            format!("\"bind_addresses\": [\"127.0.0.1:{}\"]", self.ports.mqtt.number),
            format!(
                "\"websocket_config\": {{ \"bind_addresses\": [\"127.0.0.1:{}\"], \"path\": \"/mqtt\", \
                 \"subprotocol\": \"mqtt\", \"use_tls\": false }}",
                self.ports.web.number
            ),
            format!("\"storage_config\": {{ \"base_dir\": \"{}\" }}", self.directory.join("data").display()),
            "\"sys_topics_enabled\": false".to_owned(),
        ];
        if let Some([certificate, key]) = self.identity() {
            settings.push(format!(
                "\"tls_config\": {{ \"cert_file\": \"{}\", \"key_file\": \"{}\", \"ca_file\": null, \
                 \"require_client_cert\": false, \"bind_addresses\": [\"127.0.0.1:{}\"] }}",
                certificate.display(),
                key.display(),
                self.ports.tls.number
            ));
        }
        if self.wishes.user.is_some() {
            settings.push(format!(
                "\"auth_config\": {{ \"allow_anonymous\": false, \"auth_method\": \"Password\", \"password_file\": \"{}\" }}",
                self.write("passwords", "").display()
            ));
        }
        if self.wishes.limited {
            settings.push(format!(
                "\"max_packet_size\": {LARGEST}, \"server_receive_maximum\": 2, \"server_keep_alive\": \"10s\", \
                 \"retain_available\": false"
            ));
        }
        if self.wishes.quota {
            settings.push(format!(
                "\"max_subscriptions_per_client\": {QUOTA}, \"max_retained_messages\": {QUOTA}"
            ));
        }
        if let Some(elsewhere) = &self.wishes.redirect {
            settings.push(format!("\"load_balancer\": {{ \"backends\": [\"{elsewhere}\"] }}"));
        }
        let config = self.write("mqttv5.json", &format!("{{ {} }}\n", settings.join(", ")));
        let mut command = Command::new(installed().join("bin/mqttv5"));
        command.args(["broker", "--config"]).arg(config);
        command
    }

    pub(super) fn write(&self, name: &str, content: &str) -> PathBuf {
        let file = self.directory.join(name);
        std::fs::write(&file, content).expect("a file of the broker's can be written");
        file
    }
}
