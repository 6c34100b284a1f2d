//! What the plugin does as soon as its file is opened: nothing, unless `FAULTY_OPENING` says what.

#[used]
// SAFETY: the loader calls what stands in this section, functions of this type.
#[unsafe(link_section = ".init_array")]
static AT_ONCE: extern "C" fn() = at_once;

extern "C" fn at_once() {
    let Ok(how) = std::env::var("FAULTY_OPENING") else {
        return;
    };
    match how.as_str() {
        "print" => println!("opened"),
        "thread" => {
            std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            });
        }
        "folder" => std::env::set_current_dir("/").expect("the root is there"),
        // SAFETY: the process has one thread.
        "variable" => unsafe { std::env::set_var("FAULTY_WAS_HERE", "1") },
        "abort" => std::process::abort(),
        other => panic!("`{other}` is no way to open"),
    }
}
