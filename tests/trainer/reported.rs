//! Reports of trainings: what is in them, where they come from, and that a browser shows them without an error.

use std::fs;
use std::path::Path;
use std::process::Command;

use kiln::fit::Progress;
use kiln::logs::JsonLines;
use kiln::prelude::*;
use kiln::{Report, ReportError};
use ndarray::{Array1, Array2};

use crate::folder::Folder;

#[derive(Model)]
#[model(input = [4])]
struct Net {
    fc: Linear<4, 6>,
    act: ReLU,
    out: Linear<6, 3>,
}

fn data(count: usize) -> Dataset<Array2<f32>, Array1<i32>> {
    let x = Array2::from_shape_fn((count, 4), |(i, j)| ((i * 7 + j * 13) as f32).sin());
    let y = x.rows().into_iter().map(|row| i32::from(row[0] > row[1]) + i32::from(row[2] > row[3])).collect();
    Dataset::new(x, y).unwrap()
}

#[test]
fn reports_come_from_trainers_logs_and_checkpoints() {
    let folder = Folder::new("reports");
    let (train, valid) = data(56).split_at(40);
    let mut trainer = Trainer::new(Net::init(1), cross_entropy(), Adam::default()).batch(8).threads(1).build().unwrap();
    let fit = trainer.fit(&train).epochs(4).validate(&valid).metrics(["f1"]).progress(Progress::Silent);
    let fit = fit.log(JsonLines::new(folder.path("logged/log.jsonl"))).checkpoint(folder.path("saved"));
    let history = fit.run().unwrap();
    let check = |html: &str, title: &str, parts: &[&str], others: &[&str]| {
        assert!(html.contains(&format!("<h1>{title}</h1>")), "{title}");
        for part in ["<b>loss</b>", "<b>f1</b>", "<b>learning rate</b>", "Confusion matrix", "best accuracy"]
            .iter()
            .chain(parts)
        {
            assert!(html.contains(part), "{title}: {part}");
        }
        others.iter().for_each(|other| assert!(!html.contains(other), "{title}: {other}"));
        // It needs no other file, and no network.
        assert!(!html.contains("http://") && !html.contains("https://") || html.contains("www.w3.org"), "{title}");
    };
    let of_model = ["<h2>Layers</h2>", "Linear(4, 6)", "<h2>Memory</h2>", "<iframe"];
    check(&history.report().html(), "Training", &[], &of_model);
    let summary = trainer.summary().unwrap();
    let profile = trainer.profile().unwrap();
    let html = trainer.report(&history).title("<Net> & \"more\"").summary(&summary).profile(&profile).html();
    check(&html, "&lt;Net&gt; &amp; &quot;more&quot;", &of_model, &["<Net>"]);
    assert_eq!(html.matches("<h2>Layers</h2>").count(), 1);
    assert!(html.contains("<h2>Profile</h2>"));
    check(&Report::open(folder.path("logged")).unwrap().html(), "logged", &of_model, &["<h2>Profile</h2>"]);
    check(&Report::open(folder.path("logged/log.jsonl")).unwrap().html(), "logged", &of_model, &[]);
    check(&Report::open(folder.path("saved")).unwrap().html(), "saved", &[], &of_model);
    // One whose newest checkpoint is damaged, and folders of nothing.
    let newest = folder.path("saved/step-000000020.safetensors");
    fs::write(&newest, &fs::read(&newest).unwrap()[..100]).unwrap();
    check(&Report::open(folder.path("saved")).unwrap().html(), "saved", &[], &of_model);
    fs::create_dir(folder.path("empty")).unwrap();
    assert!(matches!(Report::open(folder.path("empty")), Err(ReportError::Nothing { .. })));
    assert!(matches!(Report::open(folder.path("none")), Err(ReportError::Read { .. })));
    let broken = folder.file("broken.jsonl", b"{\"step\":1,\"a\":2}\n{\"a\":1}\n");
    let error = Report::open(&broken).unwrap_err().to_string();
    assert!(error.contains("broken.jsonl, line 2: there is no `step`"), "{error}");
    assert!(History::default().report().html().contains("Nothing was measured"));
}

/// The name of a browser that is there.
fn browser(home: &Path) -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names
        .into_iter()
        .find(|name| at_home(name, home).arg("--version").output().is_ok_and(|output| output.status.success()))
}

/// A program that leaves what it leaves at home in a folder of the test.
fn at_home(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("HOME", home).env_remove("XDG_CONFIG_HOME").env_remove("XDG_CACHE_HOME").env_remove("XDG_DATA_HOME");
    command
}

/// A real browser shows it without a word in its console, and the figures where one walks over a chart.
#[test]
fn a_browser_shows_a_report() {
    let folder = Folder::new("browser");
    let Some(browser) = browser(&folder.0) else {
        eprintln!("skipped: there is no chromium");
        return;
    };
    let mut history = History::default();
    for step in 1..=3000 {
        history.push("step.loss", step, 1.0 / step as f64);
        if step % 300 == 0 {
            let names =
                ["train.loss", "valid.loss", "valid.accuracy", "learning_rate", "valid.</script><b>&", "seconds"];
            names.iter().zip(1..).for_each(|(name, n)| history.push(name, step, (n * step) as f64));
            history.push("valid.never", step, f64::NAN);
        }
    }
    let net = Net::init(0);
    let mut trainer = Trainer::new(net, cross_entropy(), Adam::default()).batch(8).threads(1).build().unwrap();
    trainer.step(&Array2::ones((8, 4)), &[0; 8]).unwrap();
    // As one would with the keyboard and the pointer; what the page then shows is in its title.
    let walk = "<script>{
        for (const details of document.querySelectorAll('details')) details.open = true;
        const [first, second] = document.querySelectorAll('.plot');
        first.dispatchEvent(new KeyboardEvent('keydown', { key: 'End' }));
        const { left, width, top } = second.getBoundingClientRect();
        second.dispatchEvent(new PointerEvent('pointermove', { clientX: left + 52, clientY: top + 9 }));
        document.title = [first, second].map((plot) => plot.querySelector('.tip').innerText.replaceAll('\\n', '|')).join('#');
        }</script></body>";
    let html = trainer.report(&history).html().replace("</body></html>\n", &format!("{walk}</html>"));
    let file = folder.file("report.html", html.as_bytes());
    let mut command = at_home(browser, &folder.0);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]);
    command.args(["--virtual-time-budget=3000", "--window-size=1200,900", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", folder.path("profile").display()));
    let output = command.arg(format!("file://{}", file.display())).output().unwrap();
    let (page, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    let console: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:?}");
    let title = page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default();
    assert_eq!(
        title, "step 3,000|each step 0.0003333|training 3000|validation 6000#step 300|validation 900.0",
        "{said}"
    );
}
