//! A new file of the console is a reason to build anew, which the macro that embeds them doesn't say.

fn main() {
    for part in ["index.html", "audio", "i18n", "lib", "ui"] {
        println!("cargo::rerun-if-changed=web/{part}");
    }
}
